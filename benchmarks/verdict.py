"""Everything that is claimed of verdicts, measured, a step a core.

make bench-verdict            # in full: hours, and the estimate is printed before it starts
QUICK=1 make bench-verdict    # a look at every table
python benchmarks/verdict.py --only multi,streams
DATA=FOLDER make bench-verdict   # public data sets too, where there are any

Seeds are those kept for reporting (100–109; 100–149 without any shift). Peers that need more than
two seconds a case run on the first twenty cases, and the tables say so.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
OURS = "whydrift"
PEERS = "univariate,PSI,Chow,C2ST,RCD,N-sigma,BARO,first,silence,Evidently"

ALONE = {"speed"}  # timed with nothing beside it


@dataclass(frozen=True)
class Step:
    """One table.

    Parameters
    ----------
    name : str
        For ``--only``.
    title : str
    full, quick : str
        Command lines, from the script's name on.
    minutes, quick_minutes : float
        About how long they take on one core.
    """

    name: str
    title: str
    full: str
    quick: str
    minutes: float
    quick_minutes: float


STEPS = (
    Step(
        "mid",
        "Clear changes: true and learned graphs",
        f"driftbench.py --suite mid --seeds 100-109 --methods {OURS} --by family",
        f"driftbench.py --suite tiny --seeds 100 --methods {OURS}",
        40,
        1,
    ),
    Step(
        "peers",
        "The same windows by other methods",
        f"driftbench.py --suite mid --seeds 100-101 --methods {PEERS}",
        "driftbench.py --suite tiny --seeds 100 --methods univariate,PSI,Chow,RCD",
        10,
        0.5,
    ),
    Step(
        "dowhy",
        "The first twenty of them by DoWhy, where it is installed",
        "driftbench.py --suite mid --seeds 100 --methods DoWhy",
        "driftbench.py --suite tiny --seeds 100 --methods DoWhy --limit 1",
        40,
        0.5,
    ),
    Step(
        "floor",
        "The same at the floor that users have by default",
        f"driftbench.py --suite mid --seeds 100 --floor 0.1 --methods {OURS}",
        f"driftbench.py --suite tiny --seeds 101 --floor 0.1 --methods {OURS}",
        4,
        0.5,
    ),
    Step(
        "ordinary",
        "Tables as teams have them",
        "ordinary_tables.py --seeds 100-119",
        "ordinary_tables.py --seeds 100",
        3,
        0.3,
    ),
    Step(
        "ordinary-faults",
        "Faults put into these tables",
        "ordinary_faults.py --seeds 100-104",
        "ordinary_faults.py --seeds 100",
        3,
        0.7,
    ),
    Step(
        "onset",
        "Changes that begin in the middle of the current window",
        f"driftbench.py --suite mid --seeds 100 --onset 0.5 --methods {OURS},univariate,PSI,Chow",
        f"driftbench.py --suite tiny --seeds 100 --onset 0.5 --methods {OURS}",
        5,
        0.5,
    ),
    Step(
        "hard",
        "Faint changes",
        f"driftbench.py --suite hard --seeds 100-104 --methods {OURS},univariate,Chow --by family",
        f"driftbench.py --suite hard --seeds 100 --methods {OURS}",
        24,
        3,
    ),
    Step(
        "bound",
        "What anybody could find there",
        "driftbench_bound.py --suites mid,hard --seeds 100-101",
        "driftbench_bound.py --suites tiny --seeds 100",
        6,
        0.5,
    ),
    Step(
        "null",
        "False alarms without any shift, family by family",
        "driftbench.py --suite null --seeds 100-149 --methods whydrift+true --by family",
        "driftbench.py --suite null --seeds 100 --methods whydrift+true",
        68,
        1,
    ),
    Step(
        "multi",
        "Contributions of several changes at once",
        "driftbench.py --suite multi --seeds 100-109 --methods whydrift+true --by measure",
        "driftbench.py --suite multi --seeds 100 --methods whydrift+true --by measure",
        13,
        1,
    ),
    Step(
        "dowhy-multi",
        "The first twenty of them by DoWhy's robust attribution, where it is installed",
        "driftbench.py --suite multi --seeds 100 --methods robust --by measure",
        "driftbench.py --suite multi --seeds 100 --methods robust --by measure --limit 1",
        10,
        0.5,
    ),
    Step(
        "streams",
        "Months of windows: false alarms, detection, delay",
        "streambench.py --suite small --seeds 100-104",
        "streambench.py --suite tiny --seeds 100 --families iid,seasonal",
        70,
        1,
    ),
    Step(
        "learned-streams",
        "The same with a graph learned from the first windows",
        "streambench.py --suite small --seeds 100 --graph learned",
        "streambench.py --suite tiny --seeds 101 --families iid --graph learned",
        12,
        1,
    ),
    Step(
        "size",
        "No mechanism changed, parents moved",
        "size_under_shift.py --jobs 1 --trials 400",
        "size_under_shift.py --jobs 1 --quick",
        9,
        3,
    ),
    Step(
        "faults",
        "Faults: false alarms and power",
        "faults.py --seeds 100-101",
        "faults.py --seeds 100 --trials 1",
        9,
        2,
    ),
    Step(
        "rcd",
        "The synthetic systems of RCD's paper",
        "rcd_synthetic.py",
        "rcd_synthetic.py --nodes 10 --seeds 100 --cases 2",
        6,
        1,
    ),
    Step("remedy", "Remedies: regret", "remedy.py", "remedy.py --seeds 100", 1, 0.2),
    Step(
        "estimated",
        "The loss that is estimated without labels",
        "estimated_loss.py",
        "estimated_loss.py",
        1,
        2,
    ),
    Step("speed", "Seconds a check", "speed.py", "speed.py", 2, 1),
)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", default="", help=f"of {','.join(s.name for s in STEPS)}")
    parser.add_argument("--quick", action="store_true", default=os.environ.get("QUICK") == "1")
    parser.add_argument(
        "--data",
        type=Path,
        default=os.environ.get("DATA"),
        help="folder of public data sets (or DATA=): docs/real-data.md is measured too",
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="steps at a time")
    options = parser.parse_args()
    measured = STEPS if options.data is None else (*STEPS, real_data(options.data))
    wanted = set(filter(None, options.only.split(",")))
    unknown = wanted - {s.name for s in measured}
    if unknown:
        parser.error(f"no step is named {', '.join(sorted(unknown))}")
    steps = [s for s in measured if not wanted or s.name in wanted]
    alone = [s for s in steps if s.name in ALONE]
    together = [s for s in steps if s.name not in ALONE]
    jobs = max(1, min(options.jobs, len(together)))
    minutes = {s.name: s.quick_minutes if options.quick else s.minutes for s in steps}
    estimate = max(sum(minutes[s.name] for s in together) / jobs,
                   max((minutes[s.name] for s in together), default=0.0))  # fmt: skip
    estimate += sum(minutes[s.name] for s in alone)
    print(f"{len(steps)} tables, about {estimate:.0f} minutes on {jobs} cores\n", flush=True)
    failed = []
    # The longest first, so that none is left over at the end.
    order = sorted(together, key=lambda s: -minutes[s.name])
    with ThreadPoolExecutor(jobs) as pool:
        running = {s.name: pool.submit(measure, s, quick=options.quick) for s in order}
        for step in together:
            failed += shown(step, *running[step.name].result(), quick=options.quick)
    for step in alone:
        failed += shown(step, *measure(step, quick=options.quick), quick=options.quick)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def real_data(folder: Path) -> Step:
    """Return the step for data that do not come with the project."""
    command = f"real_data.py --data {shlex.quote(str(folder.resolve()))}"
    return Step("real", "Real data", command, f"{command} --parts splits", 30, 4)


def measure(step: Step, *, quick: bool) -> tuple[subprocess.CompletedProcess[str], float]:
    """Run a step, and return what it said and the minutes that it took."""
    command = shlex.split(step.quick if quick else step.full)
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, str(HERE / command[0]), *command[1:]],
        check=False,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return done, (time.perf_counter() - began) / 60


def shown(
    step: Step, done: subprocess.CompletedProcess[str], minutes: float, *, quick: bool
) -> list[str]:
    """Print what a step said, and return its name if it failed."""
    command = step.quick if quick else step.full
    print(f"## {step.title}\n\n`python benchmarks/{command}`\n\n{done.stdout}")
    print(f"{minutes:.1f} minutes\n", flush=True)
    return [step.name] if done.returncode else []


if __name__ == "__main__":
    sys.exit(main())
