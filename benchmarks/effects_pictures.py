"""Draw the pictures of adjustment.md, experiments.md and heterogeneity.md in docs/effects/.

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
_SMOKERS = (
    "sex", "race", "age", "age^2", "C(education)", "smokeintensity", "smokeintensity^2",
    "smokeyrs", "smokeyrs^2", "C(exercise)", "C(active)", "wt71", "wt71^2",
)  # fmt: skip
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
    data = _HOME / "tests" / "effects" / "data"
    smokers = pq.read_table(data / "nhefs.parquet")
    quitting = estimate(smokers, "qsmk", "wt82_71", adjustment=_SMOKERS, units="kg")
    _save(quitting, "love", "adjustment_love")
    _save(quitting, "overlap", "adjustment_overlap")
    nsw = pq.read_table(data / "nsw.parquet")
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
