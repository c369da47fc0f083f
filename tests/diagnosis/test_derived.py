"""Columns computed from others get these as parents where the graph is learned."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import whydrift as wd
from whydrift.discovery.graph import Origin
from whydrift.discovery.knowledge import Knowledge
from whydrift.discovery.snapshot.schema import Role
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.derived import with_derived


def window(kind: str, seed: int, *, moved: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, 800))
    a = a + moved
    made = {"sum": a + b, "copy": a.copy(), "unit": 2 * a + 3, "product": None}[kind]
    if made is None:
        a, b = np.exp(0.4 * a), np.exp(0.4 * b)
        made = a * b
    return pd.DataFrame({"a": a, "b": b, "made": made, "y": a + rng.normal(size=800)})


@pytest.mark.parametrize("method", ["auto", "pc"])
@pytest.mark.parametrize("kind", ["sum", "copy", "unit", "product"])
def test_what_a_moved_column_makes_up_inherits_its_change(kind, method):
    found = wd.compare(window(kind, 1), window(kind, 2, moved=0.8), target="y", method=method)
    parents = {"sum": ("a", "b"), "product": ("a", "b")}.get(kind, ("a",))
    assert found.columns["made"].parents == parents
    assert {e.origin for e in found.graph if e.b == "made"} == {Origin.REQUIRED}
    if method == "auto":
        assert found.ranking == ("a",)
    assert found.columns["made"].verdict == "inherited"


def test_a_difference_is_not_turned_into_a_sum_whose_parts_go_with_each_other_by_chance():
    rng = np.random.default_rng(0)
    revenue = 5 + rng.normal(size=1_000)
    cost = 0.8 * revenue + 0.4 * rng.normal(size=1_000)
    table = pd.DataFrame({"revenue": revenue, "cost": cost, "profit": revenue - cost})
    names = tuple(table)
    assert with_derived(Snapshot.from_frame(table), names, Knowledge()).is_empty


def test_a_copy_is_made_from_the_target_and_not_the_target_from_its_copy():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(500, 2)), columns=["early", "x"])
    table["y"] = 1.8 * table["early"] + 32
    seen = Snapshot.from_frame(table, roles={"y": Role.TARGET})
    assert with_derived(seen, ("early", "x", "y"), Knowledge()).required == (("y", "early"),)


def test_knowledge_goes_before_an_identity():
    table = window("copy", 1)
    known = Knowledge(forbidden=(("a", "made"),))
    found = with_derived(Snapshot.from_frame(table), tuple(table), known)
    assert found.required == (("made", "a"),)
    known = Knowledge(exogenous=("a", "made"))
    assert with_derived(Snapshot.from_frame(table), tuple(table), known) == known
