"""Columns that tell the target outright: what was paid beside who bought."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import whydrift as wd
from whydrift.discovery.knowledge import Knowledge
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.after_target import after_target, with_after


def visits(seed: int, *, less: float = 0.0, visit: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = 4_000
    bucket = rng.random(rows) < 0.5
    pages = 1 + rng.poisson(2 * np.exp(visit), rows)
    chance = 1 / (1 + np.exp(2 + less - 0.5 * bucket - 0.25 * (pages - 3)))
    bought = rng.random(rows) < chance
    known = 1 / (1 + np.exp(2 - 0.5 * bucket - 0.25 * (pages - 3)))
    return pd.DataFrame(
        {
            "bucket": np.where(bucket, "B", "A"),
            "pages": pages,
            "bought": bought.astype(int),
            "paid": np.where(bought, np.round(rng.lognormal(3, 0.6, rows), 2), 0.0),
            "reason": np.where(bought, rng.choice(["gift", "need"], rows), "none"),
            "p": known.round(4),
        }
    )


def told(frame: pd.DataFrame, read: set[str], *, has_prediction: bool) -> tuple[str, ...]:
    names = [c for c in frame.columns if c != "p"]
    snapshot = Snapshot.from_frame(frame)
    return after_target(snapshot, names, "bought", read, has_prediction=has_prediction)


def test_what_tells_the_target_and_no_prediction_follows_came_after_it():
    frame = visits(0)
    assert told(frame, {"bucket", "pages"}, has_prediction=True) == ("paid", "reason")
    assert told(frame, {"bucket", "pages", "reason"}, has_prediction=True) == ("paid",)
    assert told(frame, set(), has_prediction=False) == ("paid",)
    frame.loc[:99, "paid"] = 5.0  # a few were paid for by others
    assert told(frame, set(), has_prediction=False) == ()


def test_what_somebody_says_goes_before_what_is_taken_for_known():
    for known in (
        Knowledge(required=(("paid", "bought"),)),
        Knowledge(tiers=(("paid",), ("bought",))),
    ):
        assert with_after(known, "bought", ("paid",)) == (known, ())
    known, taken = with_after(
        Knowledge(forbidden=(("bought", "pages"),)), "bought", ("paid", "reason")
    )
    assert taken == ("paid", "reason")
    assert {("paid", "bought"), ("paid", "pages"), ("reason", "pages")} <= {*known.forbidden}


@pytest.mark.parametrize("prediction", ["p", None])
def test_a_target_that_changed_is_blamed_beside_what_follows_from_it_alone(prediction):
    right = 0
    for seed in range(4):
        reference = visits(2 * seed).drop(columns="reason")
        current = visits(2 * seed + 1, less=0.6).drop(columns="reason")
        found = wd.compare(reference, current, target="bought", prediction=prediction)
        right += found.verdict == "mechanism" and found.ranking == ("bought",)
        assert found.conditional_shift
    assert right >= 3


def test_a_graph_that_has_the_amount_follow_leaves_it_out_of_what_the_inputs_say():
    graph = [("bucket", "bought"), ("pages", "bought"), ("bought", "paid"), ("bought", "reason")]
    found = wd.compare(visits(1), visits(2, less=0.6), graph=graph, target="bought")
    assert found.conditional_shift
    assert found.verdict == "mechanism"


def test_an_input_that_moved_stays_an_input():
    found = wd.compare(
        visits(3), visits(4, visit=0.4), target="bought", prediction="p", ignore=["reason"]
    )
    assert found.ranking == ("pages",)
    assert found.verdict == "covariate"
    assert found.conditional_shift is False
