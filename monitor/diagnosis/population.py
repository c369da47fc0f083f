"""Whether so much moved at once that another population is the likelier answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from whydrift.discovery.snapshot.note import Note
from whydrift.monitor.diagnosis.diagnosis import ColumnVerdict
from whydrift.monitor.diagnosis.judgement import Judged
from whydrift.monitor.diagnosis.words import joined

__all__ = ["population_notes"]

_LEAST_COLUMNS = 5
_LEAST_SHARE = 0.6  # of the columns whose own mechanism moved


def population_notes(judged: Mapping[str, Judged], ranking: Sequence[str]) -> tuple[Note, ...]:
    """Return a note where most columns moved of themselves.

    Mechanisms are separate things: that most of them change in one window by themselves is less
    likely than that other rows are looked at, by another filter, batch or site.

    Parameters
    ----------
    judged : mapping of str to Judged
        The columns' verdicts.
    ranking : sequence of str
        Columns at which a change began, most responsible first.
    """
    moved = [
        name
        for name in ranking
        if judged[name].verdict in {ColumnVerdict.SOURCE, ColumnVerdict.MECHANISM}
    ]
    if len(judged) < _LEAST_COLUMNS or len(moved) < _LEAST_SHARE * len(judged):
        return ()
    text = (
        f"{len(moved)} of {len(judged)} columns moved of themselves: rather another population or "
        f"another filter of rows than so many separate changes; the strongest are "
        f"{joined(moved[:3])}"
    )
    return (Note("selection_suspected", None, text),)
