"""A column that is gone, or has another name, in the current window."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import whydrift as wd
from tests.diagnosis.worlds import EDGES, houses
from whydrift.monitor.diagnosis.diagnosis import Action, Diagnosis, FaultKind


def compared(current: pd.DataFrame, **options) -> Diagnosis:
    return wd.compare(houses(1_000, 1), current, **{"graph": EDGES, **options})


def test_a_column_that_is_gone_is_a_fault_stands_first_and_is_to_be_brought_back():
    found = compared(houses(1_000, 2, income_shift=1.0).drop(columns="rooms"), target="price")
    (fault,) = found.faults
    assert (fault.kind, fault.columns, fault.share) == (FaultKind.COLUMN_MISSING, ("rooms",), 1.0)
    assert found.ranking == ("rooms", "income")
    assert found.remedy.action is Action.FIX_PIPELINE
    assert found.remedy.columns == ("rooms",)
    assert found.verdict == "covariate"  # that of the columns that are left
    assert "lacks rooms" in found.summary
    assert "leave it out" in found.columns["rooms"].reason
    assert Diagnosis.from_dict(found.to_dict()).ranking == found.ranking
    found._repr_html_()


def test_verdicts_of_the_others_are_as_if_it_had_never_been_there():
    gone = compared(houses(1_000, 2).drop(columns="rooms"), target="price")
    ignored = compared(houses(1_000, 2), target="price", ignore=["rooms"])
    assert gone.verdict == ignored.verdict
    kept = {n: c for n, c in gone.columns.items() if n != "rooms"}
    assert kept == ignored.columns


def test_what_is_ignored_or_the_late_target_is_not_missed():
    assert not compared(houses(1_000, 2).drop(columns="rooms"), ignore=["rooms"]).fault
    late = compared(houses(1_000, 2).drop(columns="price"), target="price")
    assert not late.fault
    assert late.stage == "features"


@pytest.mark.parametrize("old", ["income", "region"])
def test_a_new_column_that_fits_in_its_place_is_asked_about(old):
    found = compared(houses(1_000, 2).rename(columns={old: "neu"}))
    assert "'neu'" in found.columns[old].reason
    assert found.columns[old].reason.endswith("was it renamed?")


def test_two_renamed_columns_are_told_apart_by_the_company_they_keep():
    found = compared(houses(3_000, 2).rename(columns={"rooms": "x1", "income": "x2"}))
    assert "'x1'" in found.columns["rooms"].reason
    assert "'x2'" in found.columns["income"].reason


def test_a_new_column_with_the_same_distribution_but_other_company_is_not_asked_about():
    current = houses(1_000, 2)
    drawn = np.random.default_rng(0).permutation(current["income"])
    found = compared(current.drop(columns="income").assign(neu=drawn))
    assert "neu" not in found.columns["income"].reason


def test_it_is_told_of_windows_too_short_to_be_tested_and_of_snapshots():
    reference = wd.Snapshot.from_frame(houses(1_000, 1))
    current = wd.Snapshot.from_frame(
        houses(12, 2).rename(columns={"income": "Income"}), schema=reference.schema
    )
    found = wd.compare(reference, current, graph=EDGES)
    assert found.columns["income"].fault is FaultKind.COLUMN_MISSING
    assert "it has 'Income': did you mean 'income'?" in found.columns["income"].reason


def chain(rows: int, seed: int, *, above: float = 0.0, hidden: float = 0.0) -> pd.DataFrame:
    """a → m → b, m → c, without m."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=rows) + above
    m = a + hidden + 0.5 * rng.normal(size=rows)
    return pd.DataFrame({"a": a, "b": m, "c": m}) + 0.5 * rng.normal(size=(rows, 3)) * [0, 1, 1]


CHAIN = [("a", "m"), ("m", "b"), ("m", "c")]


@pytest.mark.parametrize("ignored", [False, True])
def test_what_hangs_on_a_column_that_is_gone_is_not_blamed_for_what_it_inherits(ignored):
    reference = chain(1_000, 1).assign(m=lambda d: d["b"])
    current = chain(1_000, 2, above=0.7)
    if ignored:
        current = current.assign(m=0.0)
    options = {"ignore": ["m"]} if ignored else {}
    found = wd.compare(reference, current, graph=CHAIN, **options)
    assert [found.columns[n].verdict for n in "abc"] == ["source", "inherited", "inherited"]
    assert found.columns["b"].parents == ("a",)
    assert not [w for w in found.warnings if w.code == "graph_contradicts_data"]


def test_a_cause_that_is_gone_is_a_hidden_one_of_what_it_moved():
    reference = chain(1_000, 1).assign(m=lambda d: d["b"])
    found = wd.compare(reference, chain(1_000, 2, hidden=0.7), graph=CHAIN)
    assert found.columns["b"].reason_code == "shared_hidden_cause"
    assert found.columns["b"].group == "b and c"


def test_a_constant_that_the_graph_calls_a_common_cause_hides_nothing():
    frames = [chain(1_000, 1), chain(1_000, 2)]
    frames[1][["b", "c"]] = frames[1][["b", "c"]].to_numpy() + np.array([0.7, 0.9])
    edges = [("a", "b"), ("a", "c"), ("b", "c"), ("k", "a"), ("k", "b")]
    found = wd.compare(*(f.assign(k=1.0) for f in frames), graph=edges)
    assert found.columns["b"].verdict == "mechanism"
    assert found.columns["a"].verdict == "stable"
