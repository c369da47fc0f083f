"""The frequent ones among many values are found in whatever order rows and parts come."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pyarrow as pa
import pytest

from whydrift.discovery import SchemaError, Snapshot, infer_schema
from whydrift.discovery.snapshot.frequent import FrequentValues

RNG = np.random.default_rng(3)
ROWS = 40_000
# Half of the rows have one of thirty values, the other half one of their own each.
COMMON = [f"common {k}" for k in RNG.integers(0, 30, ROWS // 2)]
RARE = [f"rare {k}" for k in range(ROWS // 2)]
TRUE = {name: COMMON.count(name) for name in set(COMMON)}


def orders() -> dict[str, list[str]]:
    mixed = [*COMMON, *RARE]
    return {
        "mixed": [mixed[k] for k in RNG.permutation(ROWS)],
        "common first": [*COMMON, *RARE],
        "common last": [*RARE, *COMMON],
        "in turn": [value for pair in zip(RARE, sorted(COMMON), strict=True) for value in pair],
    }


ORDERS = orders()


@pytest.mark.parametrize("order", ORDERS)
def test_frequent_values_are_found_in_any_order_within_the_stated_error(order):
    table = pa.table({"c": ORDERS[order]})
    head = infer_schema(table.slice(0, 2_000), kinds={"c": "categorical"})
    parts = [
        Snapshot.from_batches([table.slice(start, 5_000)], schema=head)
        for start in range(0, ROWS, 5_000)
    ]
    for whole in (reduce(Snapshot.merge, parts), reduce(Snapshot.merge, parts[::-1])):
        found = Snapshot.from_bytes(whole.to_bytes()).frequent_values("c")
        assert found.taken_off <= ROWS / 1_025
        for name, rows in TRUE.items():
            assert found.counts[name] <= rows <= found.counts[name] + found.taken_off
        assert len(found.counts) <= 1_024
        assert sum(whole.summaries["c"].category_counts) == ROWS


def test_few_values_are_counted_exactly():
    window = Snapshot.from_frame(pa.table({"c": ["b", "a", "a", None, "c", "c", "c"] * 9}))
    assert window.frequent_values("c") == FrequentValues({"c": 27, "a": 18, "b": 9})
    assert list(window.frequent_values("c").counts) == ["c", "a", "b"]
    with pytest.raises(SchemaError, match="has no categories"):
        Snapshot.from_frame(pa.table({"x": [0.1, 0.2, 0.3]})).frequent_values("x")


def test_what_is_taken_off_stays_small_however_often_parts_are_joined():
    names = pa.array([f"v{k}" for k in range(3_000)])
    parts = [
        FrequentValues.of(names, np.random.default_rng(k).integers(0, 9, 3_000)) for k in range(40)
    ]
    exact = sum(np.random.default_rng(k).integers(0, 9, 3_000) for k in range(40))
    for found in (
        FrequentValues.merged(parts),
        reduce(lambda a, b: FrequentValues.merged([a, b]), parts),
    ):
        assert found.taken_off <= exact.sum() / 1_025
        for name, rows in zip(names.to_pylist(), exact.tolist(), strict=True):
            at_least = found.counts.get(name, 0)
            assert at_least <= rows <= at_least + found.taken_off
