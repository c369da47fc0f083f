"""What docs/effects/iv.md and did.md show is what comes out."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from whydrift.monitor.cli import main

ROOT = Path(__file__).parents[2]


def examples() -> list[tuple[str, str]]:
    """Each command of the two pages, with the text that stands below it."""
    found = []
    for page in ("iv", "did"):
        text = (ROOT / "docs" / "effects" / f"{page}.md").read_text(encoding="utf-8")
        found += re.findall(r"```sh\n(.+?)```\n\n```text\n(.+?)```", text, flags=re.DOTALL)
    return found


@pytest.mark.parametrize(("command", "shown"), examples())
def test_the_commands_of_the_docs_say_what_stands_below_them(command, shown, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setattr("sys.argv", shlex.split(command.replace("\\\n", " ")))
    with pytest.raises(SystemExit) as left:
        raise SystemExit(main())
    assert not left.value.code
    said = " ".join(capsys.readouterr().out.split())
    # Lines are wrapped in the docs, and some left out.
    for part in shown.split("…"):
        for line in re.split(r"\n(?! )", part.strip()):
            assert " ".join(line.split()) in said
