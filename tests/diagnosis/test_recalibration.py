"""Numbers recorded on another scale: one fault, not two changes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import whydrift as wd

ROWS = 4_000
GRAPH = [("age", "score"), ("score", "limit"), ("score", "default"), ("land", "default")]


def customers(rng: np.random.Generator, moved: float = 0.0, less: float = 0.0) -> pd.DataFrame:
    """Draw customers whose score moved in the world, or is recorded as that much less."""
    land = rng.choice(["DE", "FR", "SE"], ROWS, p=[0.5, 0.3, 0.2])
    age = rng.uniform(20, 70, ROWS)
    score = 640 + age + 50 * rng.normal(size=ROWS) + moved
    limit = 10 * score + 400 * rng.normal(size=ROWS)
    logit = -0.02 * (score - 680) + 0.4 * (land == "SE")
    default = (rng.random(ROWS) < 1 / (1 + np.exp(-logit))).astype(int)
    return pd.DataFrame(
        {"age": age, "land": land, "score": score - less, "limit": limit, "default": default}
    )


def told(current: pd.DataFrame, **options: object) -> wd.Diagnosis:
    reference = customers(np.random.default_rng(0))
    return wd.compare(reference, current, target="default", **options)  # type: ignore[arg-type]


LAST = wd.Knowledge(tiers=(("age", "land", "score"), ("limit", "default")))


@pytest.mark.parametrize("known", [{"graph": GRAPH}, {"knowledge": LAST}])
def test_a_score_that_reads_less_is_one_fault_that_is_undone(known):
    current = customers(np.random.default_rng(1), less=30)
    diagnosis = told(current, **known)
    assert diagnosis.ranking == ("score",)
    assert diagnosis.verdict == "none"
    (fault,) = diagnosis.faults
    assert (fault.kind, fault.columns, fault.repaired) == ("offset", ("score",), True)
    assert "less than it did" in fault.evidence
    assert "Broken data: score reads about" in diagnosis.summary
    assert "set that back" in diagnosis.remedy.text


def test_an_unusual_factor_is_told_where_hardly_a_row_is_alike():
    current = customers(np.random.default_rng(1))
    diagnosis = told(current.assign(score=current.score * 11.3), graph=GRAPH)
    (fault,) = diagnosis.faults
    assert (fault.kind, fault.columns) == ("unit_change", ("score",))
    assert "11." in fault.evidence and diagnosis.verdict == "none"


def test_another_scale_in_one_category_is_told_with_the_category():
    current = customers(np.random.default_rng(1))
    there = current.land == "SE"
    diagnosis = told(
        current.assign(score=current.score.where(~there, current.score - 60)), graph=GRAPH
    )
    (fault,) = diagnosis.faults
    assert (fault.columns, fault.where) == (("score",), "land is 'SE'")
    assert fault.share == pytest.approx(there.mean())
    assert diagnosis.verdict == "none"


def test_a_number_that_moved_and_took_others_along_is_no_fault():
    diagnosis = told(customers(np.random.default_rng(1), moved=-30), graph=GRAPH)
    assert not diagnosis.faults
    assert diagnosis.ranking == ("score",) and diagnosis.verdict == "covariate"


def test_what_one_of_two_effects_followed_speaks_against_another_scale():
    """The limit follows the score as it is recorded, so that the label is what changed."""
    rng = np.random.default_rng(1)
    current = customers(rng, less=30)
    current["limit"] = 10 * current.score + 400 * rng.normal(size=ROWS)
    diagnosis = told(current, graph=GRAPH)
    assert not diagnosis.faults
    assert set(diagnosis.ranking) == {"score", "default"}


def test_the_loss_is_charged_with_what_the_model_read_alone():
    def predicted(rows: pd.DataFrame) -> pd.DataFrame:
        logit = -0.02 * (rows.score - 680) + 0.4 * (rows.land == "SE")
        return rows.assign(p=1 / (1 + np.exp(-logit)))

    reference = predicted(customers(np.random.default_rng(0)))
    sound = predicted(customers(np.random.default_rng(1)))
    current = predicted(customers(np.random.default_rng(1), less=30))
    diagnosis = wd.compare(reference, current, graph=GRAPH, target="default", prediction="p")

    def loss(rows: pd.DataFrame) -> float:
        return float(-np.log(np.where(rows.default == 1, rows.p, 1 - rows.p)).mean())

    truth = loss(current) - loss(sound)
    contribution = diagnosis.columns["score"].contribution
    assert contribution is not None and contribution.low is not None
    assert contribution.low <= truth <= (contribution.high or 0)
    assert contribution.value == pytest.approx(truth, rel=0.3)
    assert diagnosis.remedy.action == "fix_pipeline"


def test_what_the_target_did_not_follow_moves_nothing_of_its_mean():
    diagnosis = told(customers(np.random.default_rng(1), less=30), graph=GRAPH)
    contribution = diagnosis.columns["score"].contribution
    assert contribution is not None and contribution.value == 0
    assert diagnosis.metric is not None and diagnosis.metric.name == "mean of default"


def test_where_one_column_alone_did_not_follow_both_readings_are_told():
    """A rate that rose while nobody reacted yet looks like one that is recorded otherwise."""
    reference, current = (
        customers(np.random.default_rng(seed), less=less).drop(columns="limit")
        for seed, less in ((0, 0), (1, 30))
    )
    graph = [("age", "score"), ("score", "default"), ("land", "default")]
    diagnosis = wd.compare(reference, current, graph=graph, target="default")
    assert not diagnosis.faults
    assert diagnosis.ranking == ("score",) and diagnosis.verdict == "covariate"
    assert diagnosis.columns["default"].verdict == "stable"
    assert "less than it did, and default did not follow" in diagnosis.summary
    assert diagnosis.remedy.action == "investigate" and diagnosis.remedy.columns == ("score",)
    assert [w.code for w in diagnosis.warnings] == ["rescaled"]
    assert diagnosis.conditional_shift


def test_prices_that_all_rose_while_shares_stayed_are_told_as_either():
    """Rooms and trips go by how much one earns among others."""

    def incomes(seed: int, rows: int, factor: float) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        rank = 0.5 * rng.normal(size=rows)
        return pd.DataFrame(
            {
                "income": np.exp(10 + rank) * factor,
                "rooms": 3 + rank + 0.5 * rng.normal(size=rows),
                "trips": 2 + 1.5 * rank + 0.7 * rng.normal(size=rows),
                "y": 2 * rank + rng.normal(size=rows),
            }
        )

    graph = [("income", "rooms"), ("income", "trips"), ("income", "y")]
    found = wd.compare(incomes(0, 3_000, 1.0), incomes(1, 2_000, 1.25), target="y", graph=graph)
    assert found.ranking == ("income",) and not found.faults
    assert [w.column for w in found.warnings if w.code == "rescaled"] == ["income"]
    assert "times what it did" in found.summary
