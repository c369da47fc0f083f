"""The public ``compare`` takes what people have: frames, Snapshots, files; graphs in any shape."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from whydrift import compare, read_snapshot
from whydrift.discovery.errors import GraphError, OptionError, SchemaError
from whydrift.discovery.graph import Graph
from whydrift.discovery.knowledge import Knowledge
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.api import as_graph, as_knowledge
from whydrift.monitor.windows import in_time_order

PAIRS = [("income", "price")]


def window(seed: int, shift: float = 0.0, rows: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    income = rng.normal(shift, 1, rows)
    colour = rng.choice(["red", "blue", "green"], rows)
    return pd.DataFrame(
        {"income": income, "price": income + rng.normal(size=rows), "colour": colour}
    )


REFERENCE, CURRENT = window(1), window(2, shift=2.0)


def answer(diagnosis):
    return (
        diagnosis.verdict,
        diagnosis.ranking,
        {n: c.p_value for n, c in diagnosis.columns.items()},
    )


def test_frames_snapshots_and_files_give_one_answer(tmp_path):
    options = {"graph": PAIRS, "target": "price"}
    expected = answer(compare(REFERENCE, CURRENT, **options))
    assert expected[0] == "covariate" and expected[1] == ("income",)
    REFERENCE.to_parquet(tmp_path / "reference.parquet")
    CURRENT.to_parquet(tmp_path / "current.parquet")
    snapshot = Snapshot.from_frame(REFERENCE)
    for reference, current in (
        (pl.from_pandas(REFERENCE), pl.from_pandas(CURRENT)),
        (pa.Table.from_pandas(REFERENCE), pa.Table.from_pandas(CURRENT)),
        (snapshot, Snapshot.from_frame(CURRENT, schema=snapshot.schema)),
        (snapshot, CURRENT),
        (tmp_path / "reference.parquet", str(tmp_path / "current.parquet")),
        (snapshot, read_snapshot(tmp_path / "current.parquet", schema=snapshot.schema)),
    ):
        assert answer(compare(reference, current, **options)) == expected


def test_a_snapshot_of_other_kinds_or_columns_is_refused():
    reference = Snapshot.from_frame(REFERENCE)
    for other in (
        Snapshot.from_frame(CURRENT, kinds={"colour": "id"}),
        Snapshot.from_frame(CURRENT.drop(columns="colour")),
    ):
        with pytest.raises(SchemaError, match=r"'colour'.*schema=reference\.schema"):
            compare(reference, other, graph=PAIRS)


def test_what_is_no_table_is_refused_by_name():
    with pytest.raises(SchemaError, match="reference: a dict is not a table"):
        compare({"a": [1]}, CURRENT)


def test_a_graph_comes_in_any_shape(tmp_path):
    graph = Graph.from_pairs(PAIRS)
    (tmp_path / "g.json").write_text(json.dumps(graph.to_dict()))
    for shape in (graph, PAIRS, iter(PAIRS), [list(p) for p in PAIRS], graph.to_dict(),
                  tmp_path / "g.json", str(tmp_path / "g.json")):  # fmt: skip
        assert as_graph(shape) == graph


@pytest.mark.parametrize("graph", [7, ["ab"], [("a", "b", "c")], [7]])
def test_what_is_no_graph_is_refused(graph):
    with pytest.raises(GraphError):
        as_graph(graph)


def test_knowledge_comes_in_any_shape(tmp_path):
    known = Knowledge(tiers=(("income",), ("price",)))
    (tmp_path / "k.json").write_text(json.dumps(known.to_dict()))
    for shape in (known, known.to_dict(), tmp_path / "k.json"):
        assert as_knowledge(shape) == known
    with pytest.raises(GraphError, match="no knowledge"):
        as_knowledge([1])
    with pytest.raises(OptionError, match="one of the two"):
        compare(REFERENCE, CURRENT, graph=PAIRS, knowledge=known)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"target": "prise"}, "reference: the target column 'prise'.*Did you mean 'price'"),
        ({"prediction": "nope"}, "the prediction column"),
        ({"cluster": "colr"}, "Did you mean 'colour'"),
        ({"target": "price", "prediction": "price"}, "as target and as prediction"),
        ({"time_column": "colour"}, "holds no times"),
    ],
)
def test_a_wrong_column_is_told_with_its_role(options, says):
    with pytest.raises(SchemaError, match=says):
        compare(REFERENCE, CURRENT, graph=PAIRS, **options)


def test_without_labels_a_window_is_judged_on_its_features():
    diagnosis = compare(REFERENCE, CURRENT.drop(columns="price"), graph=PAIRS, target="price")
    assert diagnosis.stage == "features"
    assert "target_missing" in {w.code for w in diagnosis.warnings}


@pytest.mark.parametrize(
    "times",
    [
        pa.array(["2026-05-03", "2026-05-01", None, "2026-05-02"]),
        pa.array(["2026-05-03T00:00:00Z", "2026-05-01T00:00:00Z", "", "2026-05-02T00:00:00+00:00"]),
        pa.array([1777766400, 1777593600, None, 1777680000]),
        pa.array([1777766400000.0, 1777593600000.0, None, 1777680000000.0]),
        pa.array([1777766400, 1777593600, None, 1777680000], pa.timestamp("s")),
    ],
)
def test_rows_are_put_in_the_order_of_time_however_it_is_written(times):
    table = pa.table({"at": times, "row": [3, 1, 9, 2]})
    ordered = in_time_order(table, "at", "data")
    assert ordered["row"].to_pylist() == [1, 2, 3, 9]
    assert ordered["at"][0].as_py().isoformat().startswith("2026-05-01T00:00:00")


@pytest.mark.parametrize(
    "times", [pa.array([1, 2]), pa.array(["soon", "x"]), pa.array([True, False])]
)
def test_what_is_no_time_is_refused(times):
    with pytest.raises(SchemaError, match="holds no times"):
        in_time_order(pa.table({"at": times}), "at", "data")
