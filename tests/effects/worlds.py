"""Made-up studies whose true effect is known, and the real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

DATA = Path(__file__).parent / "data"
NHEFS_TERMS = (
    "sex", "race", "age", "age^2", "C(education)", "smokeintensity", "smokeintensity^2",
    "smokeyrs", "smokeyrs^2", "C(exercise)", "C(active)", "wt71", "wt71^2",
)  # fmt: skip
LALONDE_TERMS = (
    "age", "age^2", "educ", "black", "hisp", "marr", "nodegree", "re74", "re75",
)  # fmt: skip
CARD_TERMS = (
    "exper", "expersq", "black", "south", "smsa", "smsa66", *(f"reg66{i}" for i in range(2, 10)),
)  # fmt: skip


def real(name: str) -> pa.Table:
    """Read one of the tables in data/."""
    return pq.read_table(DATA / f"{name}.parquet")


def nsw_treated_and_cps() -> pa.Table:
    """The treated of the experiment beside untreated men of a survey."""
    nsw, cps = real("nsw"), real("cps_controls")
    return pa.concat_tables(
        [nsw.filter(pc.equal(nsw["treat"], 1)), cps.select(nsw.column_names).cast(nsw.schema)]
    )


def confounded(rows: int, seed: int, *, effect: float = 2.0, strength: float = 0.5) -> dict:
    """x and w cause both treatment and outcome; the effect is larger where x is (ATE ``effect``).

    The effect on the treated is ``effect`` + E[x | treated]; x has mean 0.
    """
    rng = np.random.default_rng(seed)
    x, w = rng.normal(size=rows), rng.integers(0, 3, rows)
    chance = 1 / (1 + np.exp(-(strength * x + 0.4 * (w - 1))))
    treat = (rng.random(rows) < chance).astype(int)
    outcome = 1 + x + 0.5 * w + treat * (effect + x) + rng.normal(size=rows)
    return {"x": x, "w": np.array(["a", "b", "c"])[w], "treat": treat, "y": outcome}
