"""Relations that hold in every row: which column is computed the other columns tell, or nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from whydrift.discovery.knowledge import Knowledge
from whydrift.discovery.search.exact import Exact, ExactColumns
from whydrift.discovery.search.order_mcmc import supported_graphs
from whydrift.discovery.snapshot.snapshot import Snapshot


def test_of_normal_columns_the_score_is_the_log_of_what_one_sd_adds():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 2, 4_000), rng.normal(0, 0.5, 4_000)
    table = Snapshot.from_frame(pd.DataFrame({"a": a, "b": b, "c": a + 3 * b}))
    scores = Exact(("c", "a", "b"), (1.0, 1.0, 3.0)).scores([table])
    assert scores == pytest.approx(np.log([np.hypot(2, 1.5), 2, 1.5]), abs=0.03)


def test_of_a_product_it_is_that_of_the_logs_whatever_the_unit():
    rng = np.random.default_rng(0)
    a, b = np.exp(rng.normal(0, 0.7, 4_000)), np.exp(rng.normal(3, 0.2, 4_000))
    scores = [
        Exact(("c", "a", "b")).scores([Snapshot.from_frame(pd.DataFrame(columns))])
        for columns in (
            {"a": a, "b": b, "c": a * b},
            {"a": 100 * a, "b": b, "c": 100 * a * b},
        )
    ]
    assert scores[0] == pytest.approx(np.log([np.hypot(0.7, 0.2), 0.7, 0.2]), abs=0.03)
    assert scores[0] == pytest.approx(scores[1])


def test_a_column_follows_once_all_others_stand_before_it_and_no_earlier():
    exact = Exact(("c", "a", "b"), (1.0, 1.0, 1.0)), np.log([2.0, 1.0, 1.0])
    columns = ExactColumns.of([exact], ("a", "b", "c", "d"), np.full(4, 100.0))
    assert columns.best(2, 0b1001, 0) is None
    assert columns.best(3, 0b0111, 0) is None
    follows = columns.best(2, 0b1011, 0)
    assert follows is not None
    assert follows[1] == (0, 1)
    other = columns.best(0, 0b0110, 0)
    assert other is not None
    # Of two columns the one whose unit is larger has more left to be told by the rest.
    assert follows[0] - other[0] == pytest.approx(100 * np.log(2) + 100 * 0.002)
    allowed = np.ones((4, 4), dtype=bool)
    allowed[0, 2] = False
    assert columns.admitted(allowed, [frozenset()] * 4).best(2, 0b1011, 0) is None


def test_in_every_graph_one_column_of_a_relation_follows_and_only_one_that_may():
    rng = np.random.default_rng(1)
    windows = []
    for shift in (0.0, 0.7):
        a, b = rng.normal(size=(2, 2_000))
        windows.append(pd.DataFrame({"sum": a + shift + b, "a": a + shift, "b": b}))
    seen = [Snapshot.from_frame(w) for w in windows]
    names = ("sum", "a", "b")
    exact = [Exact(names, (1.0, -1.0, -1.0))]
    graphs, _ = supported_graphs(seen, names, exact=exact)
    assert all([len(p) for p in g.parents].count(2) == 1 for g in graphs)
    for known, may in (
        (Knowledge(exogenous=("sum",)), {1, 2}),
        (Knowledge(exogenous=("a", "b")), {0}),
    ):
        graphs, _ = supported_graphs(seen, names, exact=exact, knowledge=known)
        assert {k for g in graphs for k, p in enumerate(g.parents) if len(p) == 2} <= may
