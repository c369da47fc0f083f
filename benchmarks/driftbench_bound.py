"""How much of driftbench anybody could find: an oracle that knows what changed into what.

python benchmarks/driftbench_bound.py --suites mid,hard --seeds 100-101

For every column whose mechanism changed, the oracle knows the conditional density before and after
(parents that are hidden included) and asks, by the likelihood ratio of Neyman and Pearson, only
whether the change took place. Of all tests of that size none finds more. *Knows both* takes the
density before as given; *knows the direction* has to learn from the two windows where between the
two densities they lie, which halves the information, as in any comparison of two samples of the
same length. Neither exists in practice: a real test does not know the way in which a mechanism
changed. Each column is asked at .05 / columns, as the first step of Holm's method. Faults count as
found. *top-1*: the evidence of the changed columns, and chance at all others.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from scipy.stats import norm

sys.path.insert(0, str(Path(__file__).parent))

from seeds import seeds_of
from yardsticks import driftbench as yardstick

LEVEL = 0.05
ROWS = 20_000  # to estimate a divergence from
DRAWS = 2_000  # of the evidence, for top-1
CERTAIN = 50.0  # sd of evidence for a fault
ORACLES = {"knows both": 1.0, "knows the direction": 0.5}  # share of the information


def log_density(node: yardstick.Node, data: dict[str, np.ndarray], time: np.ndarray) -> np.ndarray:
    """Return the log density of each row given its parents and, where noise remembers, its past."""
    values = data[node.name]
    if not node.rho:
        return node.logpdf(data, values)
    amplitude, period = node.season
    scale = node.scale(data, len(values))
    season = amplitude * np.sin(2 * np.pi * time / period)
    noise = (values - node.signal(data, len(values)) - season) / scale
    spread = np.sqrt(1 - node.rho**2)
    out = norm.logpdf(noise) - np.log(scale)
    out[1:] = norm.logpdf(noise[1:], node.rho * noise[:-1], spread) - np.log(scale[1:])
    return out


def divergence(case: yardstick.Case, name: str) -> float:
    """Return what a row of the current window and one of the reference tell, in nats (Jeffreys)."""
    rng = np.random.default_rng([*case.spec.seed, 31])
    before, after = case.scm_ref[name], case.scm_cur[name]
    total = 0.0
    for scm, sign in ((case.scm_cur, 1.0), (case.scm_ref, -1.0)):
        noise = scm.noise(ROWS, rng)
        data = scm.simulate(ROWS, noise=noise)
        time = noise[name]["t"]
        ratio = log_density(after, data, time) - log_density(before, data, time)
        total += sign * float(ratio.mean())
    return max(total, 0.0)


def evidence_of(case: yardstick.Case) -> dict[str, float]:
    """Return the oracle's evidence for each column that changed, in sd, when it knows both."""
    found = {}
    for change in case.truth["changes"]:
        name = change["node"]
        is_fault = change["kind"].startswith("fault")
        found[name] = CERTAIN if is_fault else np.sqrt(case.spec.n * divergence(case, name))
    return found


def rows_of(suite: str, seeds: list[int]) -> Iterator[dict[str, object]]:
    """Yield, for each case and oracle, how many of the changed columns are found on average."""
    for seed in seeds:
        for spec in yardstick.suite_specs(suite, seed):
            case = yardstick.make_case(spec, n_mc=100)
            rng = np.random.default_rng([*spec.seed, 32])
            columns = len(case.truth["labels"])
            evidence = evidence_of(case)
            counted = [name for name in evidence if name not in case.truth["ambiguous"]]
            limit = norm.isf(LEVEL / columns)
            for oracle, share in ORACLES.items():
                sd = {name: z * np.sqrt(share) for name, z in evidence.items()}
                row: dict[str, object] = {
                    "suite": suite, "rows": spec.n, "family": spec.family, "oracle": oracle,
                    "changed": len(counted),
                    "found": sum(float(norm.sf(limit - sd[name])) for name in counted),
                    "false": LEVEL * (columns - len(evidence)) / columns,
                }  # fmt: skip
                if evidence:
                    best = rng.normal(list(sd.values()), size=(DRAWS, len(sd))).max(axis=1)
                    others = rng.normal(size=(DRAWS, columns - len(sd))).max(axis=1, initial=-9.0)
                    row["top1"] = float((best > others).mean())
                yield row


def table(rows: pd.DataFrame, by: str) -> str:
    """Return a markdown table of what the oracles reach."""
    lines = [
        f"| suite | {by} | oracle | changed columns | recall | F1 | top-1 |",
        "|---|---|---|---|---|---|---|",
    ]
    for (suite, group, oracle), part in rows.groupby(["suite", by, "oracle"], sort=False):
        changed, found, false = (float(part[c].sum()) for c in ("changed", "found", "false"))
        lines.append(
            f"| {suite} | {group} | {oracle} | {changed:.0f} | {found / changed:.2f} "
            f"| {2 * found / (found + false + changed):.2f} | {part['top1'].mean():.2f} |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--suites", default="mid,hard")
    parser.add_argument("--seeds", default="100-101")
    options = parser.parse_args()
    rows = pd.DataFrame(
        row
        for suite in options.suites.split(",")
        for row in rows_of(suite, seeds_of(options.seeds))
    )
    print(table(rows.assign(all="all"), "all"), end="\n\n")
    for by in ("rows", "family"):
        print(table(rows.sort_values(["suite", by], kind="stable"), by), end="\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
