"""The first words about a monitor are those of its report."""

import json

import numpy as np
import pytest

import whydrift as wd
from tests.diagnosis.worlds import EDGES, houses
from tests.service.stream import CONFIG, LATE, late_labels, stream
from whydrift.monitor.cli.entry import run as whydrift
from whydrift.monitor.service.status import _headline


@pytest.mark.parametrize(("bias", "words"), [(0.0, "no shift"), (0.5, "model or serving changed")])
def test_a_changed_model_is_no_no_shift(bias, words):
    past, now = (houses(2000, seed) for seed in (1, 2))
    reference = past.assign(guess=np.sin(past["income"]))
    current = now.assign(guess=np.sin(now["income"]) + bias)
    options = {"graph": EDGES, "target": "price", "prediction": "guess"}
    assert _headline(wd.compare(reference, current, **options).to_dict()) == words


def test_without_a_result_there_are_no_words():
    assert _headline({}) == ""


def test_a_window_without_rows_is_no_window_without_shift(tmp_path, capsys):
    path = tmp_path / "w.yaml"
    settings = {"window": "every: 1d, delay: 1h", "reference": "last: 6d", "since": "2026-03-07",
                "columns": ", ignore: [id, land]", "more": ""}  # fmt: skip
    path.write_text(CONFIG.format(folder=tmp_path, files="rows-*.parquet", **settings))
    with stream(tmp_path, 8) as s:
        s.until(8.1)
        assert whydrift(["status", "-c", str(path)]) == 0
        _, row, *lines = capsys.readouterr().out.splitlines()
        assert "2026-03-08 00:00Z" in row and "no shift" in row and lines == []
        s.until(10.1)  # two days later no more rows have come
    assert whydrift(["status", "-c", str(path)]) == 0
    _, row, *lines = capsys.readouterr().out.splitlines()
    assert "2026-03-10 00:00Z" in row and "no data" in row and "no shift" not in row
    (line,) = lines
    assert line.startswith("m: window 2026-03-08 00:00Z, labels: Nothing changed")


def test_late_labels_are_told_beside_a_newer_window_that_has_none_yet(tmp_path, capsys):
    """The newest window looks as always: that the target's rule changed only labels can show."""
    with late_labels(tmp_path):
        pass
    path = tmp_path / "w.yaml"
    more = {"since": "2026-03-07", "reference": "last: 6d", "columns": ", ignore: [id, land]"}
    path.write_text(CONFIG.format(folder=tmp_path, files="rows-*.parquet", **LATE, **more))
    assert whydrift(["status", "-c", str(path)]) == 0
    _, row, *lines = capsys.readouterr().out.splitlines()
    assert row.split()[:3] == ["m", "2026-03-12", "00:00Z"]  # by its start, as everywhere
    assert "(features)" in row
    assert lines[0].startswith("m: window 2026-03-12 00:00Z, features: Nothing changed")
    assert lines[1].startswith("m: window 2026-03-09 00:00Z, labels, firing")
    assert "mechanism" in lines[1] and "what leads to y has changed" in lines[1]
    assert whydrift(["status", "-c", str(path), "--json", "-"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["monitors"]
    assert (found["stage"], found["judged"]) == ("features", found["window"])
    labelled = found["labelled"]
    assert labelled["window"]["start"] == "2026-03-09T00:00:00+00:00"
    assert (labelled["verdict"], labelled["headline"]) == ("mechanism", "mechanism shift")
    said = {alert["kind"]: alert for alert in found["alerts"]}["mechanism"]
    assert said["summary"] == labelled["summary"]
    assert said["window"]["start"] == "2026-03-09T00:00:00Z"
