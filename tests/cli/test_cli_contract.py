"""What scripts rely on: statuses, streams, files, typo messages."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from conftest import shell


def test_nothing_to_report_leaves_with_0_and_a_finding_with_1(call, tables):
    graph = ("--graph", tables / "graph.json", "--target", "price")
    same = call("compare", tables / "reference.csv", tables / "same.csv", *graph)
    moved = call("compare", tables / "reference.csv", tables / "moved.csv", *graph)
    assert (same.status, moved.status) == (0, 1)
    assert same.out.startswith("NO SHIFT  ")
    assert moved.out.startswith("COVARIATE SHIFT  ") and "income" in moved.out.splitlines()[0]
    assert same.err == moved.err == ""


@pytest.mark.parametrize(
    ("words", "status"),
    [("any", 1), ("covariate", 1), ("fault,covariate", 1), ("fault", 0), ("mechanism", 0),
     ("undetermined", 0), ("none", 0)],
)  # fmt: skip
def test_fail_on_names_what_makes_the_status_1(call, tables, words, status):
    result = call(
        "compare", tables / "reference.csv", tables / "moved.csv", "--target", "price",
        "--graph", tables / "graph.json", "--fail-on", words, "--quiet",
    )  # fmt: skip
    assert (result.status, result.out, result.err) == (status, "", "")


@pytest.mark.parametrize(
    ("words", "says"),
    [("falt", "'fault'"), ("none,fault", "beside"), (",", "empty"), ("", "empty")],
)
def test_a_wrong_fail_on_is_told_before_any_work(call, words, says):
    call("compare", "no.csv", "no.csv", "--fail-on", words).refused("--fail-on", says)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("comprae", "a", "b"), ("'comprae'", "Did you mean 'compare'?")),
        (("compare", "--tagret", "x", "a", "b"), ("'--tagret'", "Did you mean '--target'?")),
        (("compare", "a"), ("CURRENT", "--help")),
        (("compare", "a", "b", "c"), ("c",)),
        (("compare", "a", "b", "--level", "x"), ("--level",)),
        (("compare", "a", "b", "--json"), ("--json",)),
        (("--versoin",), ("Did you mean '--version'?",)),
        (("discover", "a", "--bootstrap", "-3"), ("--bootstrap", "negative")),
        (("discover", "a", "--bootstrap", "1000000"), ("--bootstrap", "10,000")),
        (("discover", "a", "--bootstrap", "5", "--jobs", "0"), ("--jobs", "no number")),
        (("discover", "a", "--random-state", "-1"), ("-1", "from 0 to")),
        (("compare", "a", "b", "--json", ""), ("path of a file is empty",)),
        (("discover", "a", "-o", "graph.png"), (".png", ".svg")),
        (("compare", "a", "b", "--save-graph", "graph"), ("--save-graph", ".json")),
    ],
)
def test_a_typo_names_the_nearest_in_one_line(call, arguments, says):
    call(*arguments).refused(*says)


@pytest.mark.parametrize(
    ("option", "value", "nearest"),
    [("--method", "bos", "boss"), ("--loss", "squared", "squared_error"),
     ("--target", "prize", "price")],
)  # fmt: skip
def test_a_wrong_value_names_the_nearest(call, tables, option, value, nearest):
    options = {"--target": "price", "--prediction": "income", option: value}
    flat = [word for pair in options.items() for word in pair]
    call("compare", tables / "reference.csv", tables / "same.csv", *flat).refused(
        f"Did you mean '{nearest}'?"
    )


@pytest.mark.parametrize(
    ("option", "value"),
    [("--level", "1.5"), ("--level", "nan"), ("--floor", "-1"), ("--floor", "inf"),
     ("--floor", "nan"), ("--random-state", "-1"), ("--random-state", str(2**32))],
)  # fmt: skip
def test_a_number_out_of_range_is_refused_before_the_data_are_read(call, option, value):
    call("compare", "no.csv", "no.csv", option, value).refused(option[2:], value)


@pytest.mark.parametrize("option", [("--method", "pc"), ("--test", "g_square"), ("--score", "bic")])
def test_how_to_learn_a_graph_is_no_option_beside_a_given_one(call, tables, option):
    call(*judged(tables)[3:], *option).refused(option[1], "the graph is given")


def test_a_loss_without_a_prediction_is_refused(call, tables):
    call(*judged(tables)[3:], "--loss", "squared_error").refused("squared_error", "no prediction")


def test_a_graph_and_knowledge_together_are_refused(call, tables, tmp_path):
    (tmp_path / "known.json").write_text("{}")
    call(
        "compare", tables / "reference.csv", tables / "same.csv",
        "--graph", tables / "graph.json", "--knowledge", tmp_path / "known.json",
    ).refused("both")  # fmt: skip


def test_json_on_standard_output_stands_alone(tables):
    result = shell(
        "compare", tables / "reference.csv", tables / "moved.csv", "--target", "price",
        "--graph", tables / "graph.json", "--json", "-",
    )  # fmt: skip
    assert result.status == 1 and result.err == ""
    assert result.diagnosis["schema"] == "whydrift/diagnosis/1"
    assert result.diagnosis["ranking"] == ["income"]


def test_all_files_are_written_and_named(call, tables, tmp_path):
    files = {"--json": "d.json", "--html": "d.html", "--markdown": "d.md", "--junit": "d.xml",
             "--save-graph": "g.svg"}  # fmt: skip
    options = [x for option, name in files.items() for x in (option, tmp_path / name)]
    result = call(
        "compare", tables / "reference.csv", tables / "moved.csv", "--target", "price",
        "--graph", tables / "graph.json", *options,
    )  # fmt: skip
    assert result.status == 1, result.err
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(files.values())
    assert all(name in result.out.splitlines()[-1] for name in files.values())
    assert json.loads((tmp_path / "d.json").read_text())["verdict"] == "covariate"
    assert "<html" in (tmp_path / "d.html").read_text()
    assert "| income | mechanism |" in (tmp_path / "d.md").read_text()
    suite = ET.parse(tmp_path / "d.xml").getroot()
    assert suite.get("failures") == str(len(suite.findall(".//failure"))) != "0"
    assert (tmp_path / "g.svg").read_text().lstrip().startswith("<svg")


def test_outputs_are_checked_before_the_work(call, tables, tmp_path):
    data = (tables / "reference.csv", tables / "same.csv")
    call("compare", *data, "--json", tmp_path / "no" / "d.json").refused("mkdir -p")
    call("compare", *data, "--html", tmp_path).refused("a folder")
    call("compare", *data, "--json", tables / "same.csv").refused("read as input")
    call("compare", *data, "--json", tmp_path / "x", "--html", tmp_path / "x").refused("--json")


def test_a_crash_leaves_no_half_written_file(call, tables, tmp_path, monkeypatch):
    def crashing(*_: object) -> str:
        raise RuntimeError("pen broke")

    monkeypatch.setattr("whydrift.monitor.report.render_html", crashing)
    (tmp_path / "d.html").write_text("the old one")
    result = call(
        "compare", tables / "reference.csv", tables / "same.csv",
        "--graph", tables / "graph.json", "--html", tmp_path / "d.html",
    )  # fmt: skip
    assert result.status == 70
    assert [p.name for p in tmp_path.iterdir()] == ["d.html"]
    assert (tmp_path / "d.html").read_text() == "the old one"


def test_a_disk_that_fills_up_leaves_the_earlier_file(tables, tmp_path):
    import resource

    (tmp_path / "d.html").write_text("the old one")
    done = subprocess.run(
        [*judged(tables), "--html", str(tmp_path / "d.html")],
        capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, 9_000)),
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert "--html" in done.stderr and "d.html" in done.stderr and "disk" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["d.html"]
    assert (tmp_path / "d.html").read_text() == "the old one"


@pytest.mark.parametrize("option", ["--html", "--json"])
def test_a_pipe_is_written_into_and_stays_a_pipe(tables, tmp_path, option):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen([*judged(tables), option, str(pipe)], stdout=subprocess.DEVNULL) as left:
        text = pipe.read_text()
    assert left.returncode == 1
    assert text.strip().endswith(("</html>", "}"))
    assert pipe.is_fifo()
    assert [p.name for p in tmp_path.iterdir()] == ["pipe"]


@pytest.fixture
def full(tmp_path: Path) -> Path:
    """A device without room: a copy of /dev/full, in a folder where replacing it does no harm."""
    device = tmp_path / "full"
    try:
        os.mknod(device, 0o600 | stat.S_IFCHR, os.makedev(1, 7))
        with device.open("w") as stream:
            stream.write("x")
    except PermissionError:
        pytest.skip("devices can be made by root alone")
    except OSError:
        return device
    pytest.skip("the device takes what is written")


def judged(tables: Path) -> list[str]:
    return [
        sys.executable, "-m", "whydrift", "compare", str(tables / "reference.csv"),
        str(tables / "moved.csv"), "--target", "price", "--graph", str(tables / "graph.json"),
    ]  # fmt: skip


@pytest.mark.parametrize("option", ["--html", "--json"])
def test_a_device_without_room_is_told_and_stays_a_device(tables, full, option):
    shell(*judged(tables)[3:], option, full).refused(option, "no space left", "full")
    assert full.is_char_device()


@pytest.mark.parametrize("more", [(), ("--json", "-")])
def test_standard_output_without_room_is_told_in_one_line(tables, full, more):
    with full.open("w") as out:
        done = subprocess.run(
            [*judged(tables), *more], stdout=out, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1 and "no space left" in done.stderr


@pytest.mark.parametrize("option", ["--html", "--json"])
def test_the_systems_name_of_standard_output_is_as_good_as_a_dash(tables, option):
    dash, named = (shell(*judged(tables)[3:], option, name) for name in ("-", "/dev/stdout"))
    assert dash.status == named.status == 1 and dash.err == named.err == ""
    for text in (dash.out, named.out):
        assert text.startswith(("<!doctype html>", "{")) and text.strip().endswith(("</html>", "}"))


def test_a_closed_standard_output_changes_no_status(tables):
    def closed(*more: str) -> subprocess.CompletedProcess[str]:
        command = " ".join([*judged(tables), *more, ">&-"])
        return subprocess.run(command, shell=True, stderr=subprocess.PIPE, text=True, check=False)

    plain, asked = closed(), closed("--json", "-")
    assert (plain.returncode, plain.stderr) == (1, "")
    assert asked.returncode == 2 and "standard output is closed" in asked.stderr


def crash(*_: object, **__: object) -> None:
    raise ZeroDivisionError("no \x1b[31mcolumns")


def test_a_bug_of_ours_leaves_with_70_and_asks_for_a_report(call, tables, monkeypatch):
    monkeypatch.setattr("whydrift.monitor.api.compare", crash)
    data = ("compare", tables / "reference.csv", tables / "same.csv")
    plain, debugged = call(*data), call(*data, "--debug")
    assert plain.status == debugged.status == 70
    assert len(plain.err.splitlines()) == 1
    assert "bug in whydrift (ZeroDivisionError" in plain.err and "Please report" in plain.err
    assert "\x1b" not in plain.err and "Traceback" not in plain.err
    assert "Traceback" in debugged.err


def test_an_interrupt_leaves_with_130(call, tables, monkeypatch):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("whydrift.monitor.api.compare", interrupted)
    result = call("compare", tables / "reference.csv", tables / "same.csv")
    assert (result.status, result.err) == (130, "error: interrupted\n")


def test_a_reader_that_leaves_early_changes_no_status(tables):
    read, write = os.pipe()
    os.close(read)  # nobody will ever read
    done = subprocess.run(
        judged(tables), stdout=write, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


def test_version_and_help_leave_with_0(call):
    assert call("--version").out.startswith("whydrift ")
    for words in (("--help",), ("-h",), (), ("compare", "--help"), ("init", "-h")):
        result = call(*words)
        assert result.status == 0 and "whydrift" in result.out and result.err == ""


@pytest.mark.parametrize("verb", ["demo", "discover", "compare", "init"])
def test_every_verb_teaches_by_example(call, verb):
    text = call(verb, "--help").out
    assert f"\n    whydrift {verb}" in text
    assert max(map(len, text.splitlines())) <= 100


def test_no_traceback_where_the_terminal_knows_no_arrows(tables):
    result = shell(
        "compare", tables / "reference.csv", tables / "moved.csv", "--target", "price",
        "--graph", tables / "graph.json", PYTHONIOENCODING="ascii",
    )  # fmt: skip
    assert result.status == 1 and result.err == ""
