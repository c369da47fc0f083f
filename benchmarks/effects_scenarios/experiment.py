"""Experiments: a draw decides, and metrics are ratios, clustered, skewed, or looked at often.

How often intervals that are valid at every look miss the truth at any of them is measured by
``benchmarks/effects_looks.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from effects_scenarios.base import Scenario

_ROWS, _EFFECT = 1000, 0.5


def _means(generator: np.random.Generator, effect: float = _EFFECT) -> dict[str, Any]:
    before = generator.gamma(2.0, size=_ROWS)
    arm = (generator.random(_ROWS) < 0.5).astype(int)
    outcome = before * (1 + 0.2 * arm) + (effect - 0.4) * arm + generator.normal(size=_ROWS)
    return {"before": before, "arm": arm, "y": outcome}


def _ratio(generator: np.random.Generator) -> dict[str, Any]:
    """Clicks of sessions of users: users are drawn, some of them click more and come more often."""
    users = 400
    liking = generator.beta(2, 6, size=users)
    arm = (generator.random(users) < 0.5).astype(int)
    sessions = 1 + generator.poisson(6 * liking + 2)
    user = np.repeat(np.arange(users), sessions)
    views = 1 + generator.poisson(3, size=len(user))
    chance = np.clip(liking + 0.05 * arm, 0, 1)[user]
    return {
        "user": user, "arm": arm[user], "views": views, "clicks": generator.binomial(views, chance)
    }  # fmt: skip


def _ratio_truth() -> float:
    # Views per user are (1 + poisson) sessions of 4 on average; clicks weigh users by sessions.
    points, weights = np.polynomial.legendre.leggauss(200)
    liking = (points + 1) / 2
    density = weights * liking * (1 - liking) ** 5
    sessions = density * (6 * liking + 3)
    gap = np.minimum(liking + 0.05, 1) - liking
    return float((sessions * gap).sum() / sessions.sum())


def _clusters(generator: np.random.Generator) -> dict[str, Any]:
    groups = 60
    shared = generator.normal(size=groups)
    sizes = generator.integers(5, 20, groups)
    group = np.repeat(np.arange(groups), sizes)
    arm = (generator.permutation(groups) % 2)[group]
    before = shared[group] + generator.normal(size=len(group))
    outcome = _EFFECT * arm + before + shared[group] + generator.normal(size=len(group))
    return {"group": group, "arm": arm, "before": before, "y": outcome}


def _three_arms(generator: np.random.Generator) -> dict[str, Any]:
    arm = generator.integers(0, 4, _ROWS)
    outcome = generator.normal(size=_ROWS) * (1 + 0.3 * arm)
    return {"arm": np.array(["a", "b", "c", "d"])[arm], "y": outcome}


def _lossy(generator: np.random.Generator) -> Mapping[str, Any]:
    """A tenth of the treated is lost on the way."""
    rows = 10_000
    arm = (generator.random(rows) < 0.5).astype(int)
    kept = (arm == 0) | (generator.random(rows) < 0.9)
    return {"arm": arm[kept], "y": generator.normal(size=int(kept.sum()))}


def _moved_before(generator: np.random.Generator) -> Mapping[str, Any]:
    data = _means(generator)
    return {**data, "before": data["before"] + 0.6 * data["arm"]}


def _skewed(generator: np.random.Generator) -> Mapping[str, Any]:
    arm = (generator.random(400) < 0.1).astype(int)  # arms of one size would cancel
    return {"arm": arm, "y": np.exp(3 * generator.normal(size=400))}


def _mixed_up(generator: np.random.Generator) -> Mapping[str, Any]:
    data = _clusters(generator)
    flipped = generator.random(len(data["arm"])) < 0.02
    return {**data, "arm": np.where(flipped, 1 - data["arm"], data["arm"])}


def _ask(**given: Any) -> dict[str, Any]:
    return {"treatment": "arm", "outcome": "y", "method": "ab_test", **given}


_RATIO = {"treatment": "arm", "outcome": "clicks", "method": "ab_test", "per": "views"}

SCENARIOS = (
    Scenario("experiment.means", _means, _EFFECT, _ask()),
    Scenario("experiment.cuped", _means, _EFFECT, _ask(before="before")),
    # E[Y(0)] is E[before] = 2.
    Scenario("experiment.relative", _means, _EFFECT / 2, _ask(estimand="relative_ate")),
    Scenario(
        "experiment.relative_cuped", _means, _EFFECT / 2,
        _ask(estimand="relative_ate", before="before"),
    ),
    Scenario("experiment.ratio_of_users", _ratio, _ratio_truth(), {**_RATIO, "cluster": "user"}),
    Scenario("experiment.clusters", _clusters, _EFFECT, _ask(cluster="group")),
    Scenario(
        "experiment.clusters_cuped", _clusters, _EFFECT, _ask(cluster="group", before="before")
    ),
    # The furthest of three arms that do nothing: the interval must allow for the choice.
    Scenario("experiment.dunnett_of_three", _three_arms, 0.0, _ask()),
    # Where it must not be believed.
    Scenario(
        "experiment.lost_rows", _lossy, 0.0, _ask(), holds=False, fires="sample_ratio"
    ),
    Scenario(
        "experiment.before_is_after", _moved_before, _EFFECT, _ask(before="before"),
        holds=False, fires="alike_before",
    ),
    Scenario(
        "experiment.skewed", _skewed, 0.0, _ask(shares=0.1), holds=False, fires="skewness"
    ),
    Scenario(
        "experiment.mixed_up", _mixed_up, _EFFECT, _ask(cluster="group"), holds=False,
        fires="one_arm_each",
    ),
)  # fmt: skip
