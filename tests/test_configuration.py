"""One strict reader of configurations: every error names file, line, key and the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from whydrift.discovery.errors import ConfigError
from whydrift.monitor.comparison_config import ComparisonConfig, comparison_config
from whydrift.monitor.config import parse_config
from whydrift.monitor.strict_yaml import read_yaml

EXAMPLE = Path(__file__).parent.parent / "config" / "two-windows.yaml"


def settings(text: str, monitor: str | None = None) -> ComparisonConfig:
    return comparison_config(parse_config(text, "w.yaml"), monitor, where="w.yaml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("2026-05-04", "2026-05-04"),
        ("010", 10),
        ("0x1F", 31),
        ("1e3", 1000.0),
        ("1_000", "1_000"),
        ("true", True),
        ("~", None),
        ("", None),
        ("'1'", "1"),
        ("=", "="),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text, value):
    found = read_yaml(f"a: {text}\n", "w.yaml").value["a"]
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\nb: 2\na: 3\n", ["line 3", "'a' occurs twice"]),
        ("a: [1, 2\n", ["w.yaml, line 2", "not YAML"]),
        (f"a: 1\nb: {'9' * 5000}\n", ["line 2", "no number"]),
        ("a: !!int many\n", ["line 1", "no number"]),
        ("a: &x 1\nb: *x\n", ["line 2", "aliases"]),
        ("a: !!python/object/apply:os.system ['true']\n", ["line 1", "tag"]),
        ("a: !!python/name:os.system x\n", ["line 1", "tag"]),
        ("a:\n\t- 1\n", ["line 2", "not YAML"]),
        ("? [a, b]\n: 1\n", ["line 1", "plain word"]),
        ("a: " + "[" * 80 + "]" * 80, ["nested too deeply"]),
        ("a: 1\n--- \nb: 2\n", ["not YAML"]),
    ],
)
def test_what_is_doubtful_is_refused_with_its_line(text, says):
    with pytest.raises(ConfigError) as caught:
        read_yaml(text, "w.yaml")
    for words in says:
        assert words in str(caught.value)


def test_a_tag_never_runs_code(tmp_path):
    target = tmp_path / "touched"
    text = f"a: !!python/object/apply:pathlib.Path.touch ['{target}']\n"
    with pytest.raises(ConfigError):
        read_yaml(text, "w.yaml")
    assert not target.exists()


def test_the_example_is_read_whole():
    found = settings(EXAMPLE.read_text(encoding="utf-8"))
    assert (found.target, found.prediction, found.cluster) == ("price", "price_hat", "seller_id")
    assert (found.time_column, found.loss, found.floor) == ("sold_at", "squared_error", 0.1)
    assert found.ignore == ("listing_id", "comment")
    assert found.knowledge is not None and not found.knowledge.allows("price", "rooms")


MONITOR = "version: 1\nmonitors:\n  - name: a\n    source: {files: x.csv}\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("monitors: []\n", ["version", "version: 1"]),
        ("version: 2\n", ["line 1", "version 2 is not 1"]),
        ("version: 1\n", ["no list of monitors", "whydrift init"]),
        ("version: 1\nmonitor: []\n", ["line 2", "'monitor'", "Did you mean 'monitors'?"]),
        (MONITOR + "    colums: {}\n", ["line 5", "monitors[0].colums", "'columns'"]),
        (MONITOR + "    columns:\n      tagret: y\n", ["line 6", "'target'"]),
        (MONITOR + "    columns: {target: 3}\n", ["line 5", "quotes"]),
        (MONITOR + "    columns: [y]\n", ["mapping is expected"]),
        (MONITOR + "    floor: wide\n", ["line 5", "no number"]),
        (MONITOR + "    graph: {knowledge: {tier: []}}\n", ["line 5", "'tiers'"]),
        (MONITOR.replace("{files: x.csv}", "b"), ["line 4", "no source 'b'"]),
        (MONITOR + "  - name: b\n    source: {files: y.csv}\n", ["2 monitors", "a, b"]),
    ],
)
def test_a_wrong_configuration_is_told_with_its_place(text, says):
    with pytest.raises(ConfigError) as caught:
        settings(text)
    for words in ["w.yaml", *says]:
        assert words in str(caught.value)


def test_one_of_several_monitors_is_taken_by_name():
    text = MONITOR + "  - name: b\n    source: {files: y.csv}\n    columns: {target: y}\n"
    assert settings(text, "b").target == "y"
    with pytest.raises(ConfigError, match="no monitor 'c'"):
        settings(text, "c")


def test_compare_takes_columns_and_knowledge_from_a_configuration(tmp_path):
    import subprocess
    import sys

    from tests.diagnosis.worlds import houses

    houses(800, 1).assign(row_id=range(800)).to_csv(tmp_path / "a.csv", index=False)
    houses(800, 2, price_slope=0.2).assign(row_id=range(800)).to_csv(
        tmp_path / "b.csv", index=False
    )
    (tmp_path / "w.yaml").write_text(
        MONITOR + "    columns: {target: price, ignore: [row_id]}\n"
        "    graph: {knowledge: {tiers: [[region], [income, rooms], [price]]}}\n"
    )

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "whydrift", "compare", "a.csv", "b.csv", *more]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    done = run("--config", "w.yaml")
    assert done.returncode == 1, done.stderr
    assert "target price" in done.stdout and "MECHANISM SHIFT" in done.stdout
    assert "row_id" not in done.stdout
    assert "target rooms" in run("--config", "w.yaml", "--target", "rooms").stdout
    assert run("--monitor", "a").returncode == 2
