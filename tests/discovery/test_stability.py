"""Bootstrap shares: the same whatever the number of processes, and of the right rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from whydrift.discovery import Edge, Graph, GraphError, OptionError, Role, Snapshot, discover
from whydrift.discovery.discover import learn_graph
from whydrift.discovery.stability import Stability, row_groups, with_confidence


def chain(rows: int = 400, seed: int = 0) -> Snapshot:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    y = x + rng.normal(size=rows)
    z = 0.15 * y + rng.normal(size=rows)
    return Snapshot.from_frame(pa.table({"x": x, "y": y, "z": z}))


def clustered(groups: int = 40, size: int = 10) -> Snapshot:
    rng = np.random.default_rng(1)
    names = np.repeat([f"u{i:02d}" for i in range(groups)], size)
    shared = np.repeat(rng.normal(size=groups), size)
    order = rng.permutation(len(names))
    table = pa.table(
        {
            "user": names[order].tolist(),
            "x": (shared + rng.normal(size=len(names)))[order],
            "y": (shared + rng.normal(size=len(names)))[order],
        }
    )
    return Snapshot.from_frame(table, kinds={"user": "categorical"}, roles={"user": Role.CLUSTER})


# ---- shares -----------------------------------------------------------------------------------
def test_shares_of_orientations_add_up_to_the_share_of_the_edge():
    graph = discover(chain(), "pc", bootstrap=20)
    table = graph.stability
    assert table is not None
    for pair in table.pairs:
        shares = table.shares(pair.a, pair.b)
        assert sum(shares.values()) == pytest.approx(table.share(pair.a, pair.b))
        assert 0 < table.share(pair.a, pair.b) <= 1
    for edge in graph:
        assert edge.confidence == table.share(edge.a, edge.b, edge.mark)


def test_an_orientation_is_read_from_either_end():
    graphs = [Graph.from_pairs([("a", "b")])] * 3
    graphs.append(Graph(("a", "b"), (Edge.of("b", "o->", "a"),)))
    table = Stability.of(graphs, ("a", "b"))
    assert table.share("a", "b", "-->") == table.share("b", "a", "<--") == 0.75
    assert table.share("a", "b", "<-o") == table.share("b", "a", "o->") == 0.25
    assert table.share("a", "b") == 1
    assert table.share("a", "nobody") == 0


def test_a_pair_that_the_graph_does_not_join_keeps_its_share():
    graph = discover(chain(), "pc", alpha=0.001, bootstrap=30)
    assert graph.edge_between("y", "z") is None
    assert graph.stability is not None
    assert 0 < graph.stability.share("y", "z") < 1


def test_shares_travel_with_the_graph_and_its_json_stays_valid():
    graph = discover(chain(), "pc", bootstrap=10)
    value = graph.to_dict()
    assert value["schema"] == "whydrift/graph/1"
    read = Graph.from_dict(value)
    assert read == graph
    assert read.stability == graph.stability
    assert graph.with_nodes(("x", "y")).stability.share("x", "y") == 1
    assert "stability" not in discover(chain(), "pc").to_dict()
    for broken in ({}, {"draws": 3, "unit": "rows", "pairs": [{}]}, {"draws": "many"}, []):
        with pytest.raises(GraphError, match="stability"):
            Graph.from_dict({**value, "stability": broken or {"pairs": 1}})


# ---- draws ------------------------------------------------------------------------------------
def test_the_result_does_not_depend_on_the_number_of_processes():
    one, two = (discover(chain(), "pc", bootstrap=9, n_jobs=jobs) for jobs in (1, 2))
    assert one.stability == two.stability
    assert one == two


def test_a_longer_bootstrap_begins_with_the_same_draws():
    seen: list[list[float]] = []
    for bootstrap in (3, 6):
        taken: list[float] = []

        def learn(drawn: tuple[Snapshot, ...], taken=taken) -> Graph:
            taken.append(float(drawn[0].sample.sum()))
            return Graph(("x", "y", "z"))

        empty = Graph(("x", "y", "z"))
        with_confidence(empty, [chain()], learn, bootstrap=bootstrap, random_state=5)
        seen.append(taken)
    assert seen[1][:3] == seen[0]
    assert len(set(seen[1])) == 6


def test_clusters_are_drawn_whole():
    window = clustered()
    user = window.column("user")

    def learn(drawn: tuple[Snapshot, ...]) -> Graph:
        _, sizes = np.unique(drawn[0].column("user"), return_counts=True)
        assert (sizes % 10 == 0).all()
        assert len(drawn[0].sample) == 400
        return Graph(("x", "y"))

    graph = with_confidence(Graph(("x", "y")), [window], learn, bootstrap=5)
    assert graph.stability is not None
    assert graph.stability.unit == "clusters"
    groups = row_groups(window)
    assert all(len(np.unique(groups[user == code])) == 1 for code in np.unique(user))


def test_neighbours_that_are_alike_are_drawn_in_blocks():
    walk = np.cumsum(np.random.default_rng(2).normal(size=500))
    window = Snapshot.from_frame(pa.table({"x": walk, "y": walk + np.sin(walk)}))
    graph = learn_graph(window, "pc", bootstrap=2).graph
    assert graph.stability is not None
    assert graph.stability.unit == "blocks"
    assert learn_graph(chain(), "pc", bootstrap=2).graph.stability.unit == "rows"


def test_progress_counts_up_to_the_number_of_draws():
    heard: list[tuple[str, int, int]] = []
    discover(chain(), "pc", bootstrap=5, progress=lambda *told: heard.append(told))
    draws = [done for stage, done, _ in heard if stage == "bootstrap"]
    assert draws == sorted(draws)
    assert (draws[0], draws[-1]) == (0, 5)


def test_no_processes_at_all_are_refused():
    with pytest.raises(OptionError, match="n_jobs"):
        discover(chain(), "pc", bootstrap=5, n_jobs=0)
