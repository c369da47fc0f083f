"""Draw the pictures of docs/effects/experiments.md and docs/effects/heterogeneity.md.

python benchmarks/effects_pictures.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pyarrow.parquet as pq

from whydrift.effects import Effect, estimate

_HOME = Path(__file__).parents[1]
_PICTURES = _HOME / "docs" / "pictures"
_TERMS = ("age", "educ", "black", "hisp", "marr", "nodegree", "re74", "re75")


def _save(effect: Effect, chart: str | None, name: str) -> None:
    axes = effect.plot(chart)
    # Without a date, so that the same numbers give the same file.
    axes.figure.savefig(_PICTURES / f"{name}.svg", metadata={"Date": None})


def _shop() -> dict[str, np.ndarray]:
    generator, rows = np.random.default_rng(100), 4000
    arm = generator.integers(0, 2, rows)
    outcome = 0.2 * arm + generator.normal(size=rows)
    return {"arm": arm, "spend": outcome, "day": np.arange(rows) // 100}


def main() -> None:
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "whydrift"
    _PICTURES.mkdir(exist_ok=True)
    nsw = pq.read_table(_HOME / "tests" / "effects" / "data" / "nsw.parquet")
    trial = estimate(
        nsw, "treat", "re78", method="ab_test", before=("re74", "re75", "educ", "black"),
        shares="unknown", units="USD",
    )  # fmt: skip
    _save(trial, None, "experiment_nsw")
    looked = estimate(_shop(), "arm", "spend", method="ab_test", sequential=4000, time="day")
    _save(looked, "looks", "experiment_looks")
    who = estimate(
        nsw, "treat", "re78", method="causal_forest", adjustment=_TERMS, randomised=True,
        learner="linear", units="USD",
    )  # fmt: skip
    _save(who, "qini", "heterogeneity_qini")
    _save(who, "tree", "heterogeneity_tree")


if __name__ == "__main__":
    main()
