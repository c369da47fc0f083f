"""What the pages on effects show is what comes out, and what they list is what there is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import whydrift as wd
from tests.effects.worlds import LALONDE_TERMS, nsw_treated_and_cps
from whydrift.effects import method_names
from whydrift.effects.refuters.registry import refuter_names
from whydrift.monitor.cli import main

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = (DOCS / "effects.md", *sorted((DOCS / "effects").glob("*.md")))
COMMAND_AND_TEXT = re.compile(
    r"```sh\n((?:(?!```).)+)```\n\n```text\n((?:(?!```).)+)```", flags=re.DOTALL
)


def examples() -> list[tuple[str, str]]:
    """Each command on effects, with the text that stands below it."""
    found = []
    for page in (ROOT / "README.md", *PAGES):
        found += COMMAND_AND_TEXT.findall(page.read_text(encoding="utf-8"))
    return [each for each in found if each[0].startswith("whydrift effect ")]


def block_with(start: str, page: Path) -> str:
    """Return the block of a page that starts so."""
    text = page.read_text(encoding="utf-8")
    assert text.count(f"\n{start}") == 1
    return start + text.partition(f"\n{start}")[2].partition("```")[0]


def agree(shown: str, said: str) -> None:
    # Lines are wrapped in the docs, and some left out.
    said = " ".join(said.split())
    for part in shown.split("…"):
        for line in re.split(r"\n(?! )", part.strip()):
            assert " ".join(line.split()) in said


@pytest.mark.parametrize(("command", "shown"), examples())
def test_the_commands_of_the_docs_say_what_stands_below_them(command, shown, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setattr("sys.argv", shlex.split(command.replace("\\\n", " ")))
    with pytest.raises(SystemExit) as left:
        raise SystemExit(main())
    assert not left.value.code
    agree(shown, capsys.readouterr().out)


def test_the_example_with_a_graph_says_what_the_page_shows(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    page = DOCS / "effects.md"
    names: dict = {}
    exec(block_with("import whydrift as wd\n\ngraph = [", page), names)
    agree(block_with("Effect of qsmk on wt82_71", page), capsys.readouterr().out)
    smokers, graph = names["smokers"], names["graph"]
    refused = block_with("sbp is caused by", page)
    for given in (
        {"graph": graph, "adjustment": ["age", "smokeyrs", "sbp"]},
        {"graph": [*graph, ("willpower", "qsmk"), ("willpower", "wt82_71")]},
    ):
        with pytest.raises(wd.WhydriftError) as error:
            wd.estimate(smokers, "qsmk", "wt82_71", **given)
        assert any(
            " ".join(line.split()) in str(error.value)
            for line in re.split(r"\n(?! )", refused.strip())
        )


def test_the_example_of_villages_that_touch_says_what_the_page_shows(capsys):
    page = DOCS / "effects" / "interference.md"
    exec(block_with("import numpy as np\n\nimport whydrift as wd\n\nrng", page), {})
    agree(block_with("Effect of treated on spend: +2.784", page), capsys.readouterr().out)


def test_the_comparison_not_to_be_believed_is_the_one_shown():
    effect = wd.estimate(
        nsw_treated_and_cps(), "treat", "re78", method="difference_in_means",
        balance=LALONDE_TERMS, units="USD",
    )  # fmt: skip
    shown = block_with("Effect of treat on re78: -8,498", DOCS / "effects" / "adjustment.md")
    agree(shown, str(effect))


@pytest.mark.parametrize("name", [*method_names(), *refuter_names()])
def test_the_index_names_every_method_and_refuter(name):
    text = (DOCS / "effects.md").read_text(encoding="utf-8")
    assert f"`{name}`" in text or f"--method {name}`" in text


def test_the_index_leads_to_every_page():
    text = (DOCS / "effects.md").read_text(encoding="utf-8")
    assert all(f"](effects/{page.name})" in text for page in PAGES[1:])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_are_there(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        assert target.startswith("http") or (page.parent / target).exists(), target


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.name)
def test_data_in_the_examples_are_there(page):
    for name in re.findall(r"tests/effects/data/\w+\.\w+", page.read_text(encoding="utf-8")):
        assert (ROOT / name).exists(), name
