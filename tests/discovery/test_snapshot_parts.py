"""Laws of merge over tables made by chance: any parts, in any order and form, are the window."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.discovery.test_snapshot_merge import assert_same
from whydrift.discovery import Schema, Snapshot, infer_schema

MOST = 60  # rows of the samples
settings.register_profile("tables", max_examples=25, deadline=None)

seeds = st.integers(0, 2**32 - 1)
roles = st.sampled_from(
    [{}, {"at": "time"}, {"user": "cluster"}, {"at": "time", "user": "cluster"}]
)


def table(seed: int) -> pa.Table:
    """Return a table in which anything may be missing, and late rows are not like early ones."""
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(2, 400))
    late = np.arange(rows) > rows * rng.random()
    lacking = rng.choice([0.0, 0.05, 0.9], 5)
    gone = [rng.random(rows) < share for share in lacking]
    times = np.sort(rng.uniform(0, 10 ** rng.integers(2, 7), rows)).round(6)
    words = np.array([f"word {k}" for k in range(40)])
    number = rng.normal(size=rows) * 10.0 ** rng.integers(-3, 4) + rng.choice([0.0, 1e9])
    return pa.table(
        {
            "at": pa.array(pd.to_datetime(times, unit="s"), mask=gone[0]),
            "user": pa.array(words[rng.zipf(1.5, rows) % 40], mask=gone[1]),
            "number": pa.array(number, mask=gone[2]),
            "whole": pa.array(rng.poisson(3, rows) - 1, mask=gone[3]),
            "place": pa.array(
                np.where(late, words[rng.integers(0, 40, rows)], words[rng.integers(0, 3, rows)]),
                mask=gone[4],
            ),
            "zero": np.where(rng.random(rows) < 0.5, -0.0, 0.5 + late),
            "differs": rng.normal(size=rows),
        }
    )


def other_form(part: pa.Table, rng: np.random.Generator) -> pa.Table:
    """Return the same values as another tool might have stored them."""
    for place, name in enumerate(part.column_names):
        column = part.column(name)
        if name in {"user", "place"} and rng.random() < 0.5:
            part = part.set_column(place, name, column.dictionary_encode())
        elif name == "whole" and rng.random() < 0.5:
            part = part.set_column(place, name, column.cast(pa.float64()))
    return part.select(rng.permutation(part.column_names).tolist())


def read(part: pa.Table, schema: Schema, rng: np.random.Generator) -> Snapshot:
    """Read a part in batches of any size, or the empty one."""
    if not part.num_rows:
        return Snapshot.empty(schema)
    batches = []
    while part.num_rows:
        size = int(rng.integers(0, part.num_rows + 1))
        batches.append(other_form(part.slice(0, size), rng))
        part = part.slice(size)
    return Snapshot.from_batches(iter(batches), schema=schema, sample_rows=MOST)


def split(whole: pa.Table, rng: np.random.Generator) -> list[pa.Table]:
    label = rng.integers(0, rng.integers(1, 6), whole.num_rows)
    return [whole.filter(pa.array(label == k)) for k in range(6)]


def joined(parts: list[Snapshot], rng: np.random.Generator) -> Snapshot:
    """Join any two until one is left."""
    parts = list(parts)
    while len(parts) > 1:
        one, other = (parts.pop(int(rng.integers(len(parts)))) for _ in range(2))
        parts.append(one.merge(other))
    return parts[0]


@pytest.mark.parametrize("batch", [50, 65_536])
@settings(settings.get_profile("tables"))
@given(seeds, roles)
def test_any_parts_in_any_form_and_order_are_the_window(batch, seed, named):
    rng = np.random.default_rng(seed)
    whole = table(seed)
    schema = infer_schema(whole.slice(0, int(rng.integers(1, whole.num_rows + 1))), roles=named)
    at_once = Snapshot.from_frame(whole, schema=schema, sample_rows=MOST)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("whydrift.discovery.snapshot.stream._ROWS_AT_ONCE", batch)
        patch.setattr("whydrift.discovery.snapshot.stream._MOST_WAITING", 3)
        parts = [read(part, schema, rng) for part in split(whole, rng)]
        found = joined(parts, rng)
    assert_same(found, at_once)
    assert_same(Snapshot.from_bytes(found.to_bytes()), at_once)


@settings(settings.get_profile("tables"))
@given(seeds, roles)
def test_merge_is_associative_and_commutative_and_has_an_identity(seed, named):
    rng = np.random.default_rng(seed)
    whole = table(seed)
    schema = infer_schema(whole, roles=named)
    a, b, c, *_ = (read(part, schema, rng) for part in split(whole, rng))
    if a.rows + b.rows + c.rows:
        assert_same(a.merge(b).merge(c), a.merge(b.merge(c)))
    one, other = a.merge(b), b.merge(a)
    if one.rows:
        assert_same(one, other)
        np.testing.assert_array_equal(one.sample, other.sample)
    none = Snapshot.empty(schema)
    for window in (a, b, c):
        assert none.merge(window).rows == window.rows
        if window.rows:
            assert none.merge(window) is window
            assert window.merge(none) is window
