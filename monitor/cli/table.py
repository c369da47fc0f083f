"""A Diagnosis on standard output: short enough for one screen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from whydrift.discovery.plain_text import clean
from whydrift.monitor.cli.numbers import p_value_text, signed, with_interval
from whydrift.monitor.diagnosis.diagnosis import ColumnResult, ColumnVerdict
from whydrift.monitor.diagnosis.headline import headline as words_of
from whydrift.monitor.diagnosis.words import rows_text

if TYPE_CHECKING:
    from whydrift.discovery.snapshot.note import Note
    from whydrift.monitor.diagnosis.diagnosis import Diagnosis, Metric

__all__ = ["headline", "show_diagnosis", "table_order"]

_STYLES = {
    ColumnVerdict.FAULT: "bold magenta",
    ColumnVerdict.SOURCE: "bold yellow",
    ColumnVerdict.MECHANISM: "bold red",
    ColumnVerdict.INHERITED: "bright_black",
    ColumnVerdict.UNDETERMINED: "cyan",
    ColumnVerdict.STABLE: "green",
}
_HEADLINE_STYLES = {
    "fault": "bold magenta",
    "none": "bold green",
    "covariate": "bold yellow",
    "mechanism": "bold red",
    "both": "bold red",
    "undetermined": "bold cyan",
}
_NAME_LENGTH = 40
_MOST_ROWS = 25
_MOST_STABLE = 12
_MOST_WARNINGS = 8
_NOTHING = 1e-12  # of the change: what rounding leaves


def show_diagnosis(diagnosis: Diagnosis, console: Console) -> None:
    """Print the sentence, the table of columns, the remedy and the warnings.

    Parameters
    ----------
    diagnosis : Diagnosis
        What is shown.
    console : rich.console.Console
        Where; off a terminal it has neither colours nor a width to fold at.
    """
    console.print(headline(diagnosis))
    console.print(Text(_windows(diagnosis), style="bright_black"))
    shown = table_order(diagnosis)
    if shown:
        console.print()
        console.print(_table(diagnosis, shown[:_MOST_ROWS]))
        if len(shown) > _MOST_ROWS:
            console.print(Text(f"… and {len(shown) - _MOST_ROWS} more; --json lists all"))
    _show_reasons(diagnosis, shown, console)
    stable = [n for n, c in diagnosis.columns.items() if c.verdict is ColumnVerdict.STABLE]
    if stable:
        console.print(_labelled(f"{len(stable)} stable", _some(stable), "green"))
    if diagnosis.remedy.text:
        action = diagnosis.remedy.action.value.replace("_", " ")
        console.print(_labelled(f"remedy ({action})", diagnosis.remedy.text, "bold"))
    for line in _warnings(diagnosis.warnings):
        console.print(_labelled("warning", line, "yellow"))


def headline(diagnosis: Diagnosis) -> Text:
    """Return the first line: the verdict's word, then the summary."""
    line = Text()
    for position, word in enumerate(words_of(diagnosis)):
        line.append(" + " if position else "")
        line.append(word.text.upper(), style=_HEADLINE_STYLES[word.kind])
    return line.append(f"  {clean(diagnosis.summary)}")


def table_order(diagnosis: Diagnosis) -> list[str]:
    """Return the columns worth a row: origins by rank, a changed model, the rest that moved."""
    rest = [
        name
        for verdict in (ColumnVerdict.INHERITED, ColumnVerdict.UNDETERMINED)
        for name, column in diagnosis.columns.items()
        if column.verdict is verdict
    ]
    model = [diagnosis.prediction] if diagnosis.model_changed and diagnosis.prediction else []
    return list(dict.fromkeys([*diagnosis.ranking, *model, *rest]))


def _windows(diagnosis: Diagnosis) -> str:
    before, after = diagnosis.reference, diagnosis.current
    parts = [f"reference {rows_text(before.rows)}", f"current {rows_text(after.rows)}"]
    if diagnosis.target is not None:
        parts.append(f"target {clean(diagnosis.target, _NAME_LENGTH)}")
        if diagnosis.stage.value == "features":
            parts.append("judged on features only")
    if diagnosis.conditional_shift is not None:
        moved = "moved" if diagnosis.conditional_shift else "did not move"
        parts.append(f"target given inputs {moved}")
    if diagnosis.metric is not None:
        metric = diagnosis.metric
        change = with_interval(metric.change, signed=True)
        parts.append(
            f"{metric.name.replace('_', ' ')} {metric.reference:.4g} → {metric.current:.4g} "
            f"({change}, 90 % interval)"
        )
    return " · ".join(parts)


def _table(diagnosis: Diagnosis, names: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    has_contribution = any(diagnosis.columns[n].contribution is not None for n in names)
    for title in ("column", "verdict"):
        table.add_column(title, overflow="fold", no_wrap=False)
    table.add_column("effect (95 %)", no_wrap=True)
    table.add_column("p", no_wrap=True)
    if has_contribution:
        table.add_column("contribution", no_wrap=True, justify="right")
    for name in names:
        column = diagnosis.columns[name]
        cells = [
            Text(clean(name, _NAME_LENGTH)),
            Text(_verdict_text(column), style=_STYLES[column.verdict]),
            Text(_effect(column)),
            Text(p_value_text(column.p_value)),
        ]
        if has_contribution:
            cells.append(Text(_contribution(column)))
        style = "bright_black" if column.verdict is ColumnVerdict.INHERITED else ""
        table.add_row(*cells, style=style)
    if has_contribution and diagnosis.metric is not None:
        for label, value in _rest(diagnosis, diagnosis.metric, names):
            table.add_row(Text(label, style="bright_black"), "", "", "", Text(signed(value)))
    return table


def _rest(diagnosis: Diagnosis, metric: Metric, names: Sequence[str]) -> list[tuple[str, float]]:
    """Return the rows that make the contributions add up, where any was attributed."""
    parts = [diagnosis.columns[n].contribution for n in diagnosis.ranking]
    moving = sum(part is not None and part.value != 0 for part in parts)
    rows = []
    beyond = [diagnosis.columns[n].contribution for n in diagnosis.ranking if n not in names]
    if beyond:
        rows.append((f"{len(beyond)} more", sum(part.value for part in beyond if part)))
    if abs(metric.unattributed) > _NOTHING * max(1.0, abs(metric.change.value)):
        rows.append(("not attributed", metric.unattributed))
    adds_up = moving and moving + len(rows) > 1
    return [*rows, ("whole change", metric.change.value)] if adds_up else []


def _verdict_text(column: ColumnResult) -> str:
    detail = column.fault or column.reason_code
    word = column.verdict.value
    return word if detail is None else f"{word}: {detail.value.replace('_', ' ')}"


def _effect(column: ColumnResult) -> str:
    if column.effect is None:
        return ""
    return f"{with_interval(column.effect, signed=True)} {column.effect.unit}"


def _contribution(column: ColumnResult) -> str:
    if column.contribution is None or not column.verdict.is_origin:
        return ""
    return signed(column.contribution.value)


def _show_reasons(diagnosis: Diagnosis, shown: Sequence[str], console: Console) -> None:
    """Print the evidence for the columns where it began: the rest follow from them."""
    origins = [n for n in shown if diagnosis.columns[n].verdict.is_origin][:5]
    if shown:
        console.print()
    for name in origins:
        reason = clean(diagnosis.columns[name].reason)
        if reason:
            console.print(_labelled(clean(name, _NAME_LENGTH), reason, "bold"))


def _labelled(label: str, text: str, style: str) -> Text:
    return Text().append(f"{label}: ", style=style).append(clean(text))


def _some(names: Sequence[str], most: int = _MOST_STABLE) -> str:
    listed = ", ".join(clean(name, _NAME_LENGTH) for name in names[:most])
    return listed if len(names) <= most else f"{listed} and {len(names) - most} more"


def _warnings(notes: Sequence[Note]) -> list[str]:
    """Return warnings as lines; many of one kind become one."""
    by_code: dict[str, list[Note]] = defaultdict(list)
    for note in notes:
        by_code[note.code].append(note)
    lines = []
    for code, alike in by_code.items():
        if len(alike) <= 2:
            lines += [note.text for note in alike]
            continue
        columns = list(dict.fromkeys(note.column for note in alike if note.column is not None))
        named = f" ({_some(columns, 5)})" if columns else ""
        lines.append(f"{len(alike)} × {code.replace('_', ' ')}{named}: {alike[0].text}, …")
    if len(lines) > _MOST_WARNINGS:
        more = len(lines) - _MOST_WARNINGS
        lines = [*lines[:_MOST_WARNINGS], f"{more} more; --json lists all"]
    return lines
