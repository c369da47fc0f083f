"""Everything that is claimed of verdicts, measured one after the other.

make bench-verdict            # in full: hours, and the estimate is printed before it starts
QUICK=1 make bench-verdict    # a look at every table
python benchmarks/verdict.py --only multi,streams

Seeds are those kept for reporting (100–109; 100–149 without any shift). Peers that need more than
two seconds a case run on the first twenty cases, and the tables say so.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
OURS = "whydrift"
PEERS = "univariate,PSI,Chow,C2ST,RCD,N-sigma,BARO,first,silence,Evidently,DoWhy"


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
        "Clear changes: true and learned graphs, and peers",
        f"driftbench.py --suite mid --seeds 100-102 --methods {OURS},{PEERS} --by family",
        f"driftbench.py --suite tiny --seeds 100 --methods {OURS},univariate,PSI,Chow,RCD",
        50,
        1,
    ),
    Step(
        "mid-ours",
        "The same on all seeds, ours alone",
        f"driftbench.py --suite mid --seeds 100-109 --methods {OURS} --by family",
        f"driftbench.py --suite small --seeds 100 --methods {OURS}",
        40,
        2,
    ),
    Step(
        "floor",
        "The same at the floor that users have by default",
        f"driftbench.py --suite mid --seeds 100-101 --floor 0.1 --methods {OURS}",
        f"driftbench.py --suite tiny --seeds 101 --floor 0.1 --methods {OURS}",
        8,
        0.5,
    ),
    Step(
        "hard",
        "Faint changes",
        f"driftbench.py --suite hard --seeds 100-104 --methods {OURS},univariate,Chow --by family",
        f"driftbench.py --suite hard --seeds 100 --methods {OURS}",
        20,
        3,
    ),
    Step(
        "null",
        "False alarms without any shift, family by family",
        f"driftbench.py --suite null --seeds 100-149 --methods {OURS},univariate --by family",
        "driftbench.py --suite null --seeds 100 --methods true",
        60,
        1,
    ),
    Step(
        "multi",
        "Contributions of several changes at once",
        "driftbench.py --suite multi --seeds 100-109 --methods true --by measure",
        "driftbench.py --suite multi --seeds 100 --methods true --by measure",
        10,
        1,
    ),
    Step(
        "streams",
        "Months of windows: false alarms, detection, delay",
        "streambench.py --suite small --seeds 100-104",
        "streambench.py --suite tiny --seeds 100 --families iid,seasonal",
        40,
        1,
    ),
    Step(
        "learned-streams",
        "The same with a graph learned from the first windows",
        "streambench.py --suite small --seeds 100-101 --graph learned",
        "streambench.py --suite tiny --seeds 101 --families iid --graph learned",
        16,
        1,
    ),
    Step(
        "size",
        "No mechanism changed, parents moved",
        "size_under_shift.py",
        "size_under_shift.py --quick",
        30,
        3,
    ),
    Step(
        "faults",
        "Faults: false alarms and power",
        "faults.py --seeds 100-101",
        "faults.py --seeds 100 --trials 1",
        15,
        2,
    ),
    Step("remedy", "Remedies: regret", "remedy.py", "remedy.py --seeds 100", 10, 2),
    Step("speed", "Seconds a check", "speed.py", "speed.py", 2, 1),
)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", default="", help=f"of {','.join(s.name for s in STEPS)}")
    parser.add_argument("--quick", action="store_true", default=os.environ.get("QUICK") == "1")
    options = parser.parse_args()
    wanted = set(filter(None, options.only.split(",")))
    unknown = wanted - {s.name for s in STEPS}
    if unknown:
        parser.error(f"no step is named {', '.join(sorted(unknown))}")
    steps = [s for s in STEPS if not wanted or s.name in wanted]
    minutes = sum(s.quick_minutes if options.quick else s.minutes for s in steps)
    print(f"{len(steps)} tables, about {minutes:.0f} minutes of one core\n", flush=True)
    failed = []
    for step in steps:
        command = (step.quick if options.quick else step.full).split()
        print(f"## {step.title}\n\n`python benchmarks/{' '.join(command)}`\n", flush=True)
        began = time.perf_counter()
        done = subprocess.run([sys.executable, str(HERE / command[0]), *command[1:]], check=False)
        print(f"\n{(time.perf_counter() - began) / 60:.1f} minutes\n", flush=True)
        if done.returncode:
            failed.append(step.name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
