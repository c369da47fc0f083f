"""Every search takes Snapshots, however they came about, and finds what it finds in the rows."""

from __future__ import annotations

import importlib.util
from functools import reduce

import numpy as np
import pandas as pd
import pytest

from whydrift.discovery import Graph, Schema, Snapshot, difference, discover
from whydrift.discovery.search.registry import METHODS

COLUMNS = ["cause", "place", "effect", "later"]
NUMBERS = ["cause", "effect", "later"]
ROLES = {"at": "time"}


def window(seed: int, slope: float = 1.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = 300
    cause, place = rng.laplace(size=rows), rng.integers(0, 2, rows)
    effect = slope * cause + rng.laplace(size=rows)
    at = pd.Timestamp("2026-05-01") + pd.to_timedelta(np.sort(rng.uniform(0, 9e4, rows)), unit="s")
    later = effect + place + rng.laplace(size=rows)
    return pd.DataFrame(
        {"at": at, "cause": cause, "place": place, "effect": effect, "later": later}
    )


def of_rows(frame: pd.DataFrame, schema: Schema | None = None) -> Snapshot:
    return Snapshot.from_frame(frame, schema=schema, roles=ROLES)


def joined(frame: pd.DataFrame, schema: Schema | None = None) -> Snapshot:
    """Read every third row on its own, store what comes of it, and join what is read back."""
    schema = schema or of_rows(frame).schema
    parts = [Snapshot.from_frame(frame[k::3], schema=schema) for k in (1, 2, 0)]
    return reduce(Snapshot.merge, (Snapshot.from_bytes(part.to_bytes()) for part in parts))


def streamed(frame: pd.DataFrame, schema: Schema | None = None) -> Snapshot:
    schema = schema or of_rows(frame).schema
    return Snapshot.from_batches((frame[k : k + 70] for k in range(0, 300, 70)), schema=schema)


WAYS = {"joined": joined, "streamed": streamed}
# The searches of causal-learn take numbers, and their time.
FEWER = {"lingam": NUMBERS, "exact": NUMBERS, "anm": NUMBERS[:2], "pnl": NUMBERS[:2]}
NEEDS = {"lingam": "causallearn", "anm": "causallearn", "exact": "causallearn", "pnl": "torch"}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("method", METHODS)
def test_a_search_finds_in_a_snapshot_what_it_finds_in_the_rows(method, way):
    if method in NEEDS and importlib.util.find_spec(NEEDS[method]) is None:
        pytest.skip(f"{NEEDS[method]} is not installed")
    frame = window(0)
    columns = FEWER.get(method, COLUMNS)
    found = [
        discover(read(frame), method, columns=columns).to_dict() for read in (of_rows, WAYS[way])
    ]
    assert found[0] == found[1]


@pytest.mark.parametrize("way", WAYS)
def test_several_windows_the_bootstrap_and_differences_take_snapshots_too(way):
    frames = window(0), window(1, slope=3.0)
    answers = []
    for read in (of_rows, WAYS[way]):
        first = read(frames[0])
        windows = [first, read(frames[1], first.schema)]
        several = discover(windows, "boss", columns=COLUMNS)
        often = discover(first, "pc", columns=COLUMNS, bootstrap=4)
        assert often.stability is not None
        edges = [("cause", "effect"), ("effect", "later"), ("place", "later")]
        graph = Graph.from_pairs(edges, nodes=COLUMNS)
        changes = difference(graph, graph, *windows)
        assert [(c.a, c.b) for c in changes.significant()] == [("cause", "effect")]
        answers.append((several.to_dict(), often.stability.to_dict(), changes.to_dict()))
    assert answers[0] == answers[1]
