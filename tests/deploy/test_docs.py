"""The pages on the daemon: their commands are understood, and what they point to is there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer.main

from tests.deploy.manifests import DEPLOY
from whydrift.monitor.cli.app import app

DOCS = DEPLOY.parent / "docs"
PAGES = (DOCS / "daemon.md", DOCS / "deploy.md", DEPLOY / "README.md")


def commands(page: Path) -> list[str]:
    """Return the calls of whydrift in blocks of a shell's lines."""
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(), flags=re.S)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.startswith("whydrift ")]


@pytest.mark.parametrize("line", [c for page in PAGES for c in commands(page)])
def test_a_command_is_understood(line):
    _, *words = shlex.split(line, comments=True)
    command = typer.main.get_command(app)
    while words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    with command.make_context("whydrift", words, ignore_unknown_options=False):
        assert not hasattr(command, "commands"), "a verb is missing"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = page.read_text()
    for target, _, anchor in re.findall(r"\]\(([^)#\s]*)(#([^)\s]*))?\)", text):
        if target.startswith("http"):
            continue
        there = page if not target else page.parent / target
        assert there.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", there.read_text(), flags=re.M)
            slugs = {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings}
            assert anchor in slugs, f"{target}#{anchor}"
