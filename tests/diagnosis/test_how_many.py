"""Claims and what they cost: nothing together, and the count comes first."""

from __future__ import annotations

import numpy as np
import pandas as pd

import whydrift as wd
from whydrift.discovery.knowledge import Knowledge
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.how_many import how_much, with_how_many_first


def policies(seed: int, *, more: float = 1.0, dearer: float = 1.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = 4_000
    age, power = rng.integers(18, 80, rows), 4 + rng.poisson(3, rows)
    claims = rng.poisson(0.15 * more * np.exp(0.08 * (power - 7) - 0.01 * (age - 48)))
    cost = np.array([rng.gamma(2.0, 500.0 * dearer, k).sum() for k in claims])
    cost *= np.exp(0.06 * (power - 7))
    return pd.DataFrame(
        {"age": age, "power": power, "claims": claims, "cost": np.round(cost, 2)}
    ).assign(ordered=np.round(np.where(rng.random(rows) < 0.5, 0, rng.gamma(2, 50, rows)), 2))


def test_an_amount_and_its_count_are_nothing_in_the_same_rows():
    frame = policies(0)
    snapshot = Snapshot.from_frame(frame)
    assert how_much(snapshot, list(frame.columns)) == (("cost", "claims"),)
    late = frame.assign(cost=np.where(np.arange(len(frame)) % 5 == 0, 0.0, frame["cost"]))
    assert how_much(Snapshot.from_frame(late), list(late.columns)) == ()


def test_what_somebody_says_of_counts_stands():
    pairs = (("cost", "claims"),)
    assert with_how_many_first(Knowledge(), pairs).forbidden == pairs
    for known in (
        Knowledge(required=pairs),
        Knowledge(tiers=(("cost",), ("claims",))),
        Knowledge(never_a_cause=("claims",)),
    ):
        assert with_how_many_first(known, pairs) == known


def test_more_claims_and_dearer_claims_are_told_apart():
    right = 0
    for seed in range(4):
        before = policies(3 * seed)
        more, dearer = policies(3 * seed + 1, more=1.7), policies(3 * seed + 2, dearer=1.5)
        right += wd.compare(before, more, target="cost").ranking == ("claims",)
        right += wd.compare(before, dearer, target="cost").ranking == ("cost",)
    assert right >= 7
