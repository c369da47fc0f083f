"""A column beside its near copy: no row tells which of the two moved, and either leads on."""

from __future__ import annotations

import numpy as np
import pandas as pd

import whydrift as wd


def customers(seed: int, more: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    plan = rng.choice(["S", "M", "L"], 3_000, p=[0.5, 0.3, 0.2])
    spend = np.round(rng.lognormal(3 + more + 0.3 * (plan == "L"), 0.5, 3_000), 2)
    visits = rng.poisson(2 + 0.05 * spend)
    chance = 1 / (1 + np.exp(0.6 - 0.4 * (plan == "S") + 0.1 * (visits - 3)))
    return pd.DataFrame(
        {
            "plan": plan,
            "spend": spend,
            "spend_eur": np.round(spend + 0.02 * rng.normal(size=3_000), 2),
            "visits": visits,
            "churn": np.where(rng.random(3_000) < chance, "yes", "no"),
        }
    )


def test_a_move_of_a_column_or_of_its_near_copy_is_upstream_of_what_either_leads_to():
    for seed in range(4):
        found = wd.compare(customers(2 * seed), customers(2 * seed + 1, 0.25), target="churn")
        named = {n for n, c in found.columns.items() if c.group or c.verdict == "source"}
        assert named <= {"spend", "spend_eur"}
        assert found.verdict == "covariate"
        assert found.remedy.action != "investigate" or "edges" not in found.remedy.text
