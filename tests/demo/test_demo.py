"""The demonstration, through the real command line: four windows whose truth is known."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture(scope="module")
def shown(tmp_path_factory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("demo") / "pages"
    done = subprocess.run(
        [sys.executable, "-m", "whydrift", "demo", "--out", str(out)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return out, done.stdout


@pytest.mark.parametrize(
    ("window", "verdict", "began_at"),
    [
        ("quiet", "none", []),
        ("sweeter", "covariate", ["residual_sugar"]),
        ("new_jury", "mechanism", ["quality"]),
        ("lab_export", "none", ["residual_sugar"]),
    ],
)
def test_each_window_is_judged_as_the_truth_has_it(shown, window, verdict, began_at):
    diagnosis = json.loads((shown[0] / f"{window}.json").read_text())
    assert (diagnosis["verdict"], diagnosis["ranking"]) == (verdict, began_at)
    assert diagnosis["fault"] == (window == "lab_export")
    assert [f["kind"] for f in diagnosis["faults"]] == ["unit_change"] * diagnosis["fault"]


def test_truth_and_plain_tests_stand_beside_each_answer(shown):
    out, text = shown
    assert text.count("   the truth ") == text.count("   plain tests ") == 4
    assert "0 of 13 columns" in text.split("3. A new jury")[1].split("4. ")[0]
    assert str(out / "index.html") in text and "Try next" in text
    assert {f.stem for f in out.glob("*.html")} == {
        "index", "quiet", "sweeter", "new_jury", "lab_export",
    }  # fmt: skip


def test_the_pages_lead_to_each_other_and_look_alike(shown):
    index = (shown[0] / "index.html").read_text()
    for name in ("quiet", "sweeter", "new_jury", "lab_export"):
        page = (shown[0] / f"{name}.html").read_text()
        assert f'href="{name}.html"' in index and 'href="index.html"' in page
        colours = re.search(r":root\{[^}]*\}", page)
        assert colours and colours[0] in index


def test_the_readme_shows_what_it_prints(shown):
    quoted = re.search(r"```text\n(3\. A new jury.*?)```", README.read_text(), re.S)
    assert quoted
    # Numbers may differ in their last digit from machine to machine, and lines are wrapped.
    words, printed = (re.sub(r"[\d.]+", "#", t).split() for t in (quoted[1], shown[1]))
    assert " ".join(words) in " ".join(printed)


def test_what_it_says_to_try_next_works(shown, tmp_path):
    line = next(s for s in shown[1].splitlines() if "--knowledge" in s).split()
    line[line.index("why.html")] = str(tmp_path / "why.html")
    done = subprocess.run(
        [sys.executable, "-m", *line], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1, done.stderr  # it found the new jury
    assert "MECHANISM SHIFT" in done.stdout
    assert (tmp_path / "why.html").stat().st_size > 10_000


def test_without_options_the_pages_go_into_a_folder_here(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "whydrift", "demo", "--quiet"],
        capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert (tmp_path / "whydrift-demo" / "index.html").is_file()
