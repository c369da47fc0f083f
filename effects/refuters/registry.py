"""The table of refuters: a new one is one new function and one new row."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from whydrift.discovery.errors import unknown_name

if TYPE_CHECKING:
    from whydrift.effects.refuters.base import Refuter

__all__ = ["Row", "refuter_names", "refuter_row", "refuter_rows"]


@dataclass(frozen=True, slots=True)
class Row:
    """A refuter before it is imported.

    Parameters
    ----------
    name : str
    home : str
        ``module:function``, which follows `Refuter`.
    summary : str
        What it does, and what should come of it.
    by_graph : tuple of str
        Of the methods it serves, by what they take from a graph (see `effects.registry.Row`).
        Methods whose design stands in for a graph bring placebos of their own: elsewhere a
        shuffled treatment would tear units, thresholds and times apart.
    needs : str
        What else it needs: ``adjustment`` (a method that adjusts), ``linear`` (one that rows drawn
        twice do not mislead) or nothing.
    """

    name: str
    home: str
    summary: str
    by_graph: tuple[str, ...] = ("back_door", "front_door", "instrument")
    needs: str = ""

    def load(self) -> Refuter:
        """Return the function."""
        module, _, name = self.home.partition(":")
        return cast("Refuter", getattr(importlib.import_module(module), name))


_HERE: Final = "whydrift.effects.refuters"
_ANY: Final = ("back_door", "front_door", "instrument", "nothing")

_ROWS: Final = {
    row.name: row
    for row in (
        Row(
            "placebo_treatment",
            f"{_HERE}.nothing_there:placebo_treatment",
            "the treatment is shuffled: the effect should be gone",
        ),
        Row(
            "dummy_outcome",
            f"{_HERE}.nothing_there:dummy_outcome",
            "the outcome is made up from the covariates: the effect should be gone",
            ("back_door",),
        ),
        Row(
            "random_common_cause",
            f"{_HERE}.steady:random_common_cause",
            "noise is adjusted for as well: the estimate should stay",
            needs="adjustment",
        ),
        Row(
            "subset",
            f"{_HERE}.steady:subset",
            "a fifth of the rows is left out: the estimate should stay",
        ),
        Row(
            "bootstrap",
            f"{_HERE}.steady:bootstrap",
            "rows are drawn again: estimates should spread as the standard error says",
            needs="linear",
        ),
        Row(
            "hidden_cause",
            f"{_HERE}.sensitivity:hidden_cause",
            "how strong a hidden cause would have to be, against those seen",
            ("back_door",),
        ),
        Row(
            "negative_controls",
            f"{_HERE}.negative_controls:negative_controls",
            "effects that cannot be there (columns that you name) should not be found",
            _ANY,
        ),
        Row(
            "graph",
            f"{_HERE}.graph_falsification:graph_independences",
            "the independences that the graph implies should hold",
            _ANY,
        ),
    )
}


def refuter_rows() -> tuple[Row, ...]:
    """Return the rows of all refuters, in order."""
    return tuple(_ROWS.values())


def refuter_names() -> tuple[str, ...]:
    """Return the names of all refuters."""
    return tuple(_ROWS)


def refuter_row(name: str) -> Row:
    """Return the row of a refuter.

    Raises
    ------
    OptionError
        If there is none of that name; the nearest is named.
    """
    if name not in _ROWS:
        raise unknown_name("refuter", name, known=refuter_names(), where="refuters")
    return _ROWS[name]
