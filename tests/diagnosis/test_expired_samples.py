"""A window whose rows are no longer kept: its counts stay, and nothing is claimed of the rest."""

from __future__ import annotations

import pytest

import whydrift as wd
from tests.diagnosis.worlds import houses
from whydrift.discovery import SchemaError, Snapshot


@pytest.fixture(scope="module")
def windows() -> tuple[Snapshot, Snapshot]:
    reference = Snapshot.from_frame(houses(1500, 1))
    return reference, Snapshot.from_frame(houses(1500, 2, price_slope=0.2), schema=reference.schema)


def test_counts_moments_and_quantiles_outlive_the_rows(windows):
    whole, _ = windows
    left = whole.without_sample()
    assert not left.has_sample and whole.has_sample and left.rows == whole.rows
    assert left.summaries == whole.summaries
    assert left.quantiles("income", [0.5])[0] == pytest.approx(
        whole.quantiles("income", [0.5])[0], abs=0.1
    )
    assert len(left.to_bytes()) < len(whole.to_bytes())
    read = Snapshot.from_bytes(left.to_bytes())
    assert not read.has_sample and read.to_bytes() == left.to_bytes()
    assert left.without_sample().to_bytes() == left.to_bytes()
    empty = Snapshot.empty(whole.schema)
    assert empty.without_sample() == empty and empty.has_sample


def test_what_is_joined_with_a_window_without_rows_has_none_either(windows):
    one, two = windows
    for joined in (one.without_sample().merge(two), two.merge(one.without_sample())):
        assert joined.rows == 3000 and not joined.has_sample
        assert joined.summaries["income"].count == 3000
    assert one.merge(Snapshot.empty(one.schema)).has_sample


@pytest.mark.parametrize("side", ["reference", "current"])
def test_a_comparison_without_rows_is_undetermined_and_says_why(windows, side):
    reference, current = windows
    pair = (
        (reference.without_sample(), current)
        if side == "reference"
        else (reference, current.without_sample())
    )
    found = wd.compare(*pair, target="price")
    assert found.verdict == "undetermined" and not found.faults and not found.ranking
    assert {c.reason_code for c in found.columns.values()} == {"sample_expired"}
    assert {c.verdict for c in found.columns.values()} == {"undetermined"}
    assert "its mean was" in found.columns["price"].reason
    assert "of its values" in found.columns["region"].reason
    assert [w.code for w in found.warnings] == ["sample_expired"]
    assert wd.Diagnosis.from_dict(found.to_dict()).to_dict() == found.to_dict()
    assert found.targets.keys() == {"price"} and found.reference.rows == 1500


def test_past_windows_without_rows_are_left_out_and_told(windows):
    reference, current = windows
    found = wd.compare([reference.without_sample(), reference], current, target="price")
    alone = wd.compare([reference], current, target="price")
    assert found.columns == alone.columns and found.verdict == alone.verdict == "mechanism"
    assert "sample_expired" in [w.code for w in found.warnings]


def test_a_column_that_is_not_there_is_told_all_the_same(windows):
    reference, current = windows
    with pytest.raises(SchemaError, match="price"):
        wd.compare(reference, current.without_sample(), target="prise")
