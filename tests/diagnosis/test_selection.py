import numpy as np
import pandas as pd
import pytest

from whydrift.discovery.graph import Graph
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.compare import compare
from whydrift.monitor.diagnosis.diagnosis import ColumnVerdict

GRAPH = Graph.from_pairs([("place", "age"), ("kind", "age"), ("age", "price")])


def town(seed: int, rows: int = 4000, moved: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    place, kind = moved + rng.gamma(2, size=rows), rng.normal(size=rows)
    age = place + (0.8 + moved) * kind + moved + rng.laplace(size=rows)
    return pd.DataFrame(
        {"place": place, "kind": kind, "age": age, "price": np.tanh(age) + rng.normal(size=rows)}
    )


def old_houses(seed: int) -> pd.DataFrame:
    """Return half of the rows, those of a large age more often."""
    frame, rng = town(seed), np.random.default_rng(seed)
    weight = np.exp(3 * frame["age"].rank(pct=True))
    chosen = rng.choice(len(frame), len(frame) // 2, replace=False, p=weight / weight.sum())
    return frame.iloc[np.sort(chosen)]


def diagnose(reference: pd.DataFrame, current: pd.DataFrame):
    first = Snapshot.from_frame(reference)
    return compare(first, Snapshot.from_frame(current, schema=first.schema), graph=GRAPH)


@pytest.mark.parametrize("seed", range(3))
def test_rows_chosen_by_a_column_are_one_change_and_not_one_of_each_of_its_causes(seed):
    found = diagnose(town(seed), old_houses(seed + 50))
    assert found.ranking == ("age",)
    assert found.columns["place"].verdict is ColumnVerdict.INHERITED
    assert "selection_suspected" in {note.code for note in found.warnings}


@pytest.mark.parametrize("seed", range(3))
def test_two_changes_stay_two(seed):
    found = diagnose(town(seed), town(seed + 50, moved=0.4))
    assert set(found.ranking) == {"place", "age"}
