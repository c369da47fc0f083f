"""What ``whydrift init`` shows of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from whydrift.discovery.plain_text import clean
from whydrift.monitor.diagnosis.words import rows_text

if TYPE_CHECKING:
    from whydrift.discovery.snapshot.schema import Column
    from whydrift.discovery.snapshot.snapshot import Snapshot
    from whydrift.monitor.cli.suspects import Suspects

__all__ = ["show_first_look"]

_MOST_COLUMNS = 60
_NAME_LENGTH = 40


def show_first_look(snapshot: Snapshot, suspects: Suspects, screen: Console) -> None:
    """Print the inferred schema, what stands out, and the guessed roles.

    Parameters
    ----------
    snapshot : Snapshot
        The window.
    suspects : Suspects
        Guessed roles.
    screen : rich.console.Console
        Where to.
    """
    screen.print(f"{rows_text(snapshot.rows)}, {len(snapshot.schema)} columns")
    screen.print()
    screen.print(_schema_table(snapshot))
    left = len(snapshot.schema) - _MOST_COLUMNS
    if left > 0:
        screen.print(f"… and {left} more columns")
    screen.print()
    constant = [c.name for c in snapshot.schema if _is_constant(snapshot, c)]
    _line(screen, "constant", ", ".join(clean(n, _NAME_LENGTH) for n in constant[:20]))
    for role in ("target", "prediction", "time", "cluster", "version"):
        name = getattr(suspects, role)
        _line(screen, f"looks like the {role}", "" if name is None else clean(name, _NAME_LENGTH))
    for note in snapshot.notes[:10]:
        _line(screen, "note", clean(note.text))
    if len(snapshot.notes) > 10:
        screen.print(f"… and {len(snapshot.notes) - 10} more notes")


def _line(screen: Console, label: str, text: str) -> None:
    if text:
        screen.print(Text().append(f"{label}: ", style="bold").append(text))


def _is_constant(snapshot: Snapshot, column: Column) -> bool:
    summary = snapshot.summaries[column.name]
    return column.kind.is_modelled and summary.count > 0 and snapshot.is_constant(column.name)


def _schema_table(snapshot: Snapshot) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("column", "kind", "missing", "values", "why"):
        table.add_column(title, overflow="fold")
    for column in list(snapshot.schema)[:_MOST_COLUMNS]:
        cells = (
            clean(column.name, _NAME_LENGTH),
            column.kind.value,
            _share(snapshot.missing_share(column.name)),
            _values(snapshot, column),
            column.why,
        )
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _share(share: float) -> str:
    if share == 0:
        return ""
    return "< 0.1 %" if share < 0.001 else f"{share:.1%}".replace("%", " %")


def _values(snapshot: Snapshot, column: Column) -> str:
    import numpy as np

    summary = snapshot.summaries[column.name]
    if summary.category_counts:
        counted = sorted(
            zip(summary.category_counts, column.categories, strict=True), key=lambda pair: -pair[0]
        )
        top = [f"{clean(name, 20)} {count / summary.count:.0%}" for count, name in counted[:3]]
        return ", ".join(top) + (" …" if len(counted) > 3 else "")
    if summary.low is None or summary.high is None:
        return ""
    if column.kind.value == "timestamp":
        days = (np.datetime64(round(v), "s") for v in (summary.low, summary.high))
        return " … ".join(str(day).replace("T", " ") for day in days)
    return f"{summary.low:.6g} … {summary.high:.6g}"
