"""A Diagnosis as Markdown, for a pull request or a chat."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from whydrift.discovery.plain_text import clean
from whydrift.monitor.cli.numbers import p_value_text, with_interval
from whydrift.monitor.diagnosis.diagnosis import ColumnVerdict
from whydrift.monitor.diagnosis.headline import headline

if TYPE_CHECKING:
    from whydrift.monitor.diagnosis.diagnosis import Diagnosis

__all__ = ["to_markdown"]


def to_markdown(diagnosis: Diagnosis) -> str:
    """Return the summary, a table of the columns that are not stable, the remedy and warnings."""
    from whydrift.monitor.cli.table import table_order

    words = ", ".join(word.text for word in headline(diagnosis))
    lines = [f"### whydrift: {words}", "", _escaped(diagnosis.summary), ""]
    names = table_order(diagnosis)
    if names:
        lines += ["| column | verdict | effect (95 %) | p | why |", "|---|---|---|---|---|"]
        for name in names:
            c = diagnosis.columns[name]
            effect = (
                ""
                if c.effect is None
                else f"{with_interval(c.effect, signed=True)} {c.effect.unit}"
            )
            cells = (name, c.verdict.value, effect, p_value_text(c.p_value), c.reason)
            lines.append(f"| {' | '.join(_escaped(cell) for cell in cells)} |")
        lines.append("")
    stable = [n for n, c in diagnosis.columns.items() if c.verdict is ColumnVerdict.STABLE]
    if stable:
        lines += [f"{len(stable)} stable: {_escaped(', '.join(stable))}", ""]
    if diagnosis.remedy.text:
        lines += [f"**Remedy:** {_escaped(diagnosis.remedy.text)}", ""]
    lines += [f"- warning: {_escaped(note.text)}" for note in diagnosis.warnings]
    return "\n".join(lines).rstrip() + "\n"


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", clean(text))
