import numpy as np
import pandas as pd
import pytest

import whydrift as wd
from whydrift.discovery.graph import Edge, Graph
from whydrift.monitor.diagnosis.alternatives import Alternative, Alternatives
from whydrift.monitor.diagnosis.turned import edges_to_turn

CHAIN = Graph(("t", "o"), (Edge.of("t", "-->", "o"),))
# Both moved by the chain; turned around, t alone did.
ONE_CHANGE = {("t", ()): 1e-9, ("o", ("t",)): 1e-12, ("o", ()): 0.6, ("t", ("o",)): 1e-20}


def turned(p_values, graph=CHAIN, may_turn=lambda cause, effect: True):
    def p_value(name, parents):
        return p_values[name, tuple(sorted(parents))]

    return edges_to_turn(graph, p_value, may_turn)


def test_an_edge_is_turned_where_one_change_then_explains_both():
    assert turned(ONE_CHANGE) == {("t", "o")}


@pytest.mark.parametrize(
    "instead",
    [
        {("o", ()): 0.01},  # o moved by itself, too
        {("o", ("t",)): 0.3},  # o merely inherits
        {("t", ()): 0.3},  # o alone moved
        {("t", ("o",)): 0.3},  # nothing would be left that moved
    ],
)
def test_an_edge_stays_where_that_explains_nothing(instead):
    assert turned(ONE_CHANGE | instead) == frozenset()


# r moved, t inherits that, and o would have changed just so that it stays what it was.
INHERITED = {
    **{("r", ()): 1e-9, ("t", ("r",)): 0.6, ("t", ()): 1e-9, ("o", ("t",)): 1e-12, ("o", ()): 0.6},
    ("t", ("o", "r")): 0.5,
}


def test_an_edge_from_a_column_that_inherited_its_change_is_turned_too():
    chain = Graph(("r", "t", "o"), (Edge.of("r", "-->", "t"), Edge.of("t", "-->", "o")))
    assert turned(INHERITED, chain) == {("t", "o")}
    # Turned around it would have changed itself: nothing is won.
    assert turned(INHERITED | {("t", ("o", "r")): 1e-9}, chain) == frozenset()
    assert turned(INHERITED | {("o", ()): 0.01}, chain) == frozenset()
    assert turned(INHERITED | {("t", ()): 0.3}, chain) == frozenset()


def test_what_knowledge_says_stays():
    assert turned(ONE_CHANGE, may_turn=lambda cause, effect: effect != "o") == frozenset()


def test_effects_that_do_not_depend_on_each_other_are_no_causes_of_one_column():
    fork = Graph(("t", "o", "p"), (Edge.of("t", "-->", "o"), Edge.of("t", "-->", "p")))
    p_values = ONE_CHANGE | {("p", ("t",)): 1e-12, ("p", ()): 0.6, ("t", ("o", "p")): 1e-20}
    assert turned(p_values, fork) == frozenset()
    joined = fork.with_edges((*fork, Edge.of("o", "-->", "p")))
    p_values |= {("p", ("o", "t")): 1e-12, ("p", ("o",)): 0.6}
    assert turned(p_values, joined) == {("t", "o"), ("t", "p"), ("o", "p")}


def test_what_hangs_on_an_edge_that_stays_stays():
    # o is not excused by t, of which nothing is left, and so has to move by itself, as p shows.
    chain = Graph(("t", "o", "p"), (Edge.of("t", "-->", "o"), Edge.of("o", "-->", "p")))
    p_values = ONE_CHANGE | {("t", ("o",)): 0.3, ("p", ("o",)): 1e-12, ("p", ()): 0.6}
    assert turned(p_values | {("o", ("p", "t")): 1e-9}, chain) == {("o", "p")}
    assert turned(p_values | {("o", ("p", "t")): 0.3}, chain) == frozenset()


def test_edges_are_turned_in_every_graph_that_has_them_and_left_out_where_that_is_a_cycle():
    one = Alternative({"t": (), "m": ("t",), "o": ("t",)}, 0.5)
    other = Alternative({"t": (), "m": ("t",), "o": ("t", "m")}, 0.3)
    without = Alternative({"t": (), "m": (), "o": ()}, 0.2)
    found = Alternatives((one, other, without)).turned(frozenset({("t", "o")}))
    assert [dict(g.parents) for g in found.graphs] == [
        {"t": ("o",), "m": ("t",), "o": ()},
        {"t": (), "m": ("t",), "o": ("m",)},
        {"t": (), "m": (), "o": ()},
    ]


def test_two_changes_stay_two():
    rng = np.random.default_rng(0)

    def windows(rows: int, level: float, slope: float) -> pd.DataFrame:
        x = rng.exponential(1.0, rows) + level
        y = slope * x + rng.exponential(1.0, rows)
        return pd.DataFrame({"x": x, "y": y, "z": y + rng.normal(size=rows)})

    diagnosis = wd.compare(windows(3000, 0.0, 1.0), windows(3000, 0.4, 1.4), target="z")
    assert set(diagnosis.ranking) == {"x", "y"}
