"""Several windows: read one by one or in turn, drawn again, and tested for what changes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from whydrift.discovery import Knowledge, OptionError, Snapshot, TooFewRows, discover
from whydrift.discovery.discover import learn_graph
from whydrift.discovery.search.windows import in_turn
from whydrift.discovery.stability import with_confidence


def pair(rows: int, seed: int, level: float = 0.0, slope: float = 0.8) -> pd.DataFrame:
    """A cause that stands after its effect in the table."""
    rng = np.random.default_rng(seed)
    cause = level + rng.normal(size=rows)
    effect = slope * cause + rng.normal(size=rows)
    return pd.DataFrame({"effect": effect, "cause": cause})


def both_move(windows: int, rows: int, seed: int) -> list[pd.DataFrame]:
    """Windows in which the cause and the effect given it each change, independently."""
    rng = np.random.default_rng(seed)
    out = []
    for k in range(windows):
        frame = pair(rows, 100 * seed + k)
        frame["cause"] += rng.normal()
        noise = rng.normal(size=rows) * np.exp(0.4 * rng.normal())
        frame["effect"] = rng.normal() + 0.9 * frame["cause"] + noise
        out.append(frame)
    return out


def codes(found) -> list[str]:
    return [note.code for note in found.notes]


# ---- one window in turn -----------------------------------------------------------------------
def test_one_window_in_turn_is_cut_by_its_rows():
    for rows, count in ((100, 2), (999, 2), (2_000, 4), (15_000, 20)):
        parts, note = in_turn(Snapshot.from_frame(pair(rows, 0)))
        assert len(parts) == count
        assert sum(len(part.sample) for part in parts) == rows
        assert f"{count} windows" in note.text
    with pytest.raises(TooFewRows, match="list of windows"):
        in_turn(Snapshot.from_frame(pair(99, 0)))


def test_a_window_that_drifts_inside_orients_its_edge():
    drifting = pd.concat([pair(1000, 0), pair(1000, 1, level=1.2)], ignore_index=True)
    assert discover(drifting, "pc").edge_between("cause", "effect").mark == "---"
    found = learn_graph(drifting, "cd-nod")
    assert found.graph.parents("effect") == ("cause",)
    assert "read_in_turn" in codes(found)
    assert [n.column for n in found.notes if n.code == "mechanism_moved"] == ["cause"]


# ---- cd-nod -----------------------------------------------------------------------------------
@pytest.mark.parametrize("change", [{"level": 1.0}, {"slope": -0.5}])
def test_a_mechanism_that_moves_alone_orients_its_edge(change):
    found = learn_graph([pair(1500, 0), pair(1500, 1, **change), pair(1500, 2)], "cd-nod")
    assert found.graph.parents("effect") == ("cause",)
    moved = "cause" if "level" in change else "effect"
    assert [(n.column, n.text[-11:]) for n in found.notes if n.code == "mechanism_moved"] == [
        (moved, "in window 2")
    ]


def test_windows_that_do_not_differ_orient_nothing_by_tests_either():
    found = learn_graph([pair(1000, s) for s in range(3)], "cd-nod", alpha=0.01)
    assert {e.mark for e in found.graph} == {"---"}
    assert not {"mechanism_moved", "directed_by_changes"} & set(codes(found))


def test_independent_changes_over_many_windows_direct_an_edge_whose_ends_both_move():
    directions = []
    for seed in range(4):
        found = learn_graph(both_move(16, 400, seed), "cd-nod")
        edge = found.graph.edge_between("cause", "effect")
        directions.append("open" if edge.mark == "---" else edge.a)
        if edge.mark != "---":
            assert "change independently" in found.notes[-3].text
    assert directions.count("cause") >= 3
    assert "effect" not in directions


def test_few_windows_direct_such_an_edge_by_the_fewest_changes_and_say_so():
    frames = [pair(2000, 0), pair(2000, 1, level=1.0), pair(2000, 2, slope=0.1), pair(2000, 3)]
    found = learn_graph(frames, "cd-nod")
    assert found.graph.parents("effect") == ("cause",)
    told = {n.column: n.text for n in found.notes if n.code == "mechanism_moved"}
    assert told["cause"].endswith("in window 2")
    assert "3" in told["effect"]
    assert "4" not in told["effect"]
    (how,) = [n.text for n in found.notes if n.code == "directed_by_changes"]
    assert "fewest changed mechanisms; 10 windows or more" in how


def test_what_is_known_outweighs_what_changes():
    frames = [pair(1000, 0), pair(1000, 1, level=1.0)]
    known = Knowledge(tiers=[["effect"], ["cause"]])
    assert discover(frames, "cd-nod", knowledge=known).parents("cause") == ("effect",)


def test_categories_are_tested_as_categories():
    def draw(seed, share):
        rng = np.random.default_rng(seed)
        x = rng.random(2000) < share
        y = np.where(rng.random(2000) < 0.15, ~x, x)
        return pd.DataFrame({"y": y, "x": x}).astype(str)

    found = learn_graph([draw(0, 0.5), draw(1, 0.8)], "cd-nod")
    assert found.test == "g_square"
    assert found.graph.parents("y") == ("x",)


def test_a_copy_is_joined_to_its_original_alone():
    frames = [f.assign(twin=2 * f["cause"]) for f in (pair(1000, 0), pair(1000, 1, level=1.0))]
    found = learn_graph(frames, "cd-nod")
    assert found.graph.edge_between("cause", "twin") is not None
    assert found.graph.edge_between("effect", "twin") is None


def test_a_test_of_numbers_cannot_serve_three_windows():
    frames = [pair(300, s) for s in range(3)]
    with pytest.raises(OptionError, match="3 windows are categories"):
        discover(frames, "cd-nod", test="fisher_z")
    assert discover(frames[:2], "cd-nod", test="fisher_z").edge_between("cause", "effect")


def test_auto_takes_the_method_that_serves_windows_and_options():
    frames = [pair(300, 0), pair(300, 1)]
    assert learn_graph(frames).method == "boss"
    assert learn_graph(frames, alpha=0.01).method == "cd-nod"


# ---- confidence -------------------------------------------------------------------------------
@pytest.mark.parametrize("method", ["boss", "cd-nod"])
def test_confidences_over_windows_are_the_same_whatever_the_processes(method):
    frames = [pair(400, 0), pair(400, 1, level=1.0)]
    one, two = (discover(frames, method, bootstrap=6, n_jobs=jobs) for jobs in (1, 2))
    assert one.stability is not None
    assert one.stability == two.stability
    assert one.edge_between("cause", "effect").confidence >= 0.8


def test_rows_are_drawn_within_their_window():
    windows = [Snapshot.from_frame(pair(200, 0)), Snapshot.from_frame(pair(300, 1, level=50.0))]
    seen = []

    def learn(drawn):
        seen.append([(len(w.sample), float(w.column("cause").mean()) > 25) for w in drawn])
        return discover(windows[0], "pc")

    graph = with_confidence(discover(windows[0], "pc"), windows, learn, bootstrap=4)
    assert seen == [[(200, False), (300, True)]] * 4
    assert graph.stability.unit == "rows"
