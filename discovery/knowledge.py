"""Knowledge: what the user already knows about causes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from whydrift.discovery.arrays import BoolArray
from whydrift.discovery.errors import GraphError, nearest

__all__ = ["Knowledge"]


@dataclass(frozen=True)
class Knowledge:
    """What is known about causes before any data are seen; every search honours it.

    Parameters
    ----------
    tiers : sequence of sequences of str
        Columns of a later tier never cause columns of an earlier one. Columns that stand in no
        tier are free.
    required, forbidden : sequences of (cause, effect)
        Edges that must, or must not, be in the graph.

    Raises
    ------
    GraphError
        If two statements clash; the message names both.
    """

    tiers: tuple[tuple[str, ...], ...] = ()
    required: tuple[tuple[str, str], ...] = ()
    forbidden: tuple[tuple[str, str], ...] = ()
    _tier_of: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if any(isinstance(tier, str) for tier in self.tiers):
            raise GraphError(
                "a tier is a single name",
                where="knowledge",
                remedy='Write tiers=[["a", "b"], ["c"]]',
            )
        tiers = tuple(tuple(str(c) for c in tier) for tier in self.tiers)
        required = tuple(_pair(p, "required") for p in self.required)
        forbidden = tuple(_pair(p, "forbidden") for p in self.forbidden)
        tier_of: dict[str, int] = {}
        for number, tier in enumerate(tiers):
            for column in tier:
                if column in tier_of:
                    raise GraphError(
                        f"column {column!r} stands in tier {tier_of[column] + 1} "
                        f"and in tier {number + 1}",
                        where="knowledge",
                        remedy="Keep it in one tier",
                    )
                tier_of[column] = number
        for name, value in (
            ("tiers", tiers),
            ("required", required),
            ("forbidden", forbidden),
            ("_tier_of", tier_of),
        ):
            object.__setattr__(self, name, value)
        banned = set(forbidden)
        for cause, effect in required:
            if (cause, effect) in banned:
                raise GraphError(
                    f"{cause} → {effect} is both required and forbidden",
                    where="knowledge",
                    remedy="Keep one of the two",
                )
            if (effect, cause) in set(required):
                raise GraphError(
                    f"{cause} → {effect} and {effect} → {cause} are both required",
                    where="knowledge",
                    remedy="Keep one of the two",
                )
            if tier_of.get(cause, -1) > tier_of.get(effect, len(tiers)):
                raise GraphError(
                    f"{cause} → {effect} is required, but the tiers put {cause!r} "
                    f"(tier {tier_of[cause] + 1}) after {effect!r} (tier {tier_of[effect] + 1})",
                    where="knowledge",
                    remedy="Move one of them, or drop the edge",
                )
        # Graph's own constructor finds cycles and names them.
        from whydrift.discovery.graph import Graph

        demanded = Graph.from_pairs(required)
        for effect in demanded.nodes:
            for cause in sorted(demanded.ancestors(effect)):
                if tier_of.get(cause, -1) > tier_of.get(effect, len(tiers)):
                    raise GraphError(
                        f"required edges lead from {cause!r} (tier {tier_of[cause] + 1}) to "
                        f"{effect!r} (tier {tier_of[effect] + 1})",
                        where="knowledge",
                        remedy="Move one of the two, or drop an edge between them",
                    )

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known."""
        return not (self.tiers or self.required or self.forbidden)

    def columns(self) -> tuple[str, ...]:
        """Return every column that is named, once each."""
        named = [c for tier in self.tiers for c in tier]
        named += [c for pair in (*self.required, *self.forbidden) for c in pair]
        return tuple(dict.fromkeys(named))

    def allows(self, cause: str, effect: str) -> bool:
        """Whether ``cause → effect`` is compatible with what is known."""
        if (cause, effect) in self.forbidden or (effect, cause) in self.required:
            return False
        earlier, later = self._tier_of.get(cause), self._tier_of.get(effect)
        return earlier is None or later is None or earlier <= later

    def checked(self, names: Sequence[str]) -> Knowledge:
        """Return self, or raise where a named column is not among ``names``."""
        for column in self.columns():
            if column not in names:
                guess = nearest(column, names)
                raise GraphError(
                    f"unknown column {column!r}",
                    where="knowledge",
                    remedy=f"Did you mean {guess!r}?"
                    if guess
                    else f"Columns are: {', '.join(names[:20])}",
                )
        return self

    def within(self, names: Iterable[str]) -> Knowledge:
        """Return what is known about these columns alone."""
        kept = set(names)
        return Knowledge(
            tuple(tuple(c for c in tier if c in kept) for tier in self.tiers),
            tuple(p for p in self.required if kept.issuperset(p)),
            tuple(p for p in self.forbidden if kept.issuperset(p)),
        )

    def with_last(self, column: str, names: Iterable[str]) -> Knowledge:
        """Return this knowledge with ``column`` caused by, and never a cause of, all other columns.

        Where tiers exist the column is moved into a new last tier, and columns outside all tiers
        stay free but for edges out of ``column``, which are forbidden.
        """
        others = [n for n in names if n != column]
        extra = tuple((column, n) for n in others if (column, n) not in self.forbidden)
        tiers = tuple(tuple(c for c in tier if c != column) for tier in self.tiers)
        required = tuple(p for p in self.required if p[0] != column)
        return Knowledge(tiers, required, self.forbidden + extra)

    def allowed_matrix(self, names: Sequence[str]) -> BoolArray:
        """Return ``allowed[i, j]``: whether column i may be a cause of column j.

        Parameters
        ----------
        names : sequence of str
            The columns, in the order of the matrix.

        Returns
        -------
        ndarray of bool, shape (n_columns, n_columns)
            False on the diagonal.
        """
        count = len(names)
        position = {name: i for i, name in enumerate(names)}
        allowed = ~np.eye(count, dtype=bool)
        tier = np.array([self._tier_of.get(name, -1) for name in names])
        placed = tier >= 0
        allowed &= ~(placed[:, None] & placed[None, :] & (tier[:, None] > tier[None, :]))
        for cause, effect in self.forbidden:
            if cause in position and effect in position:
                allowed[position[cause], position[effect]] = False
        for cause, effect in self.required:
            if cause in position and effect in position:
                allowed[position[effect], position[cause]] = False
        return allowed

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, as a knowledge file holds them."""
        return {
            "tiers": [list(t) for t in self.tiers],
            "required": [list(p) for p in self.required],
            "forbidden": [list(p) for p in self.forbidden],
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Knowledge:
        """Read what :meth:`to_dict` writes.

        Raises
        ------
        GraphError
            On an unknown key or a value of the wrong shape.
        """
        known = ("tiers", "required", "forbidden")
        for key in value:
            if key not in known:
                guess = nearest(str(key), known)
                raise GraphError(
                    f"unknown key {key!r}",
                    where="knowledge",
                    remedy=f"Did you mean {guess!r}?" if guess else f"Known: {', '.join(known)}",
                )
        for key in known:
            rows = value.get(key) or []
            if (
                not isinstance(rows, Sequence)
                or isinstance(rows, str)
                or any(isinstance(row, str) or not isinstance(row, Sequence) for row in rows)
            ):
                raise GraphError(
                    f"{key!r} is not a list of lists",
                    where="knowledge",
                    remedy=f'Write "{key}": [["a", "b"], …]',
                )
        return cls(*(tuple(tuple(row) for row in value.get(key) or ()) for key in known))


def _pair(pair: Sequence[str], what: str) -> tuple[str, str]:
    if isinstance(pair, str) or len(pair) != 2:
        raise GraphError(
            f"{what} edge {pair!r} is not a (cause, effect) pair",
            where="knowledge",
            remedy="Write two column names, the cause first",
        )
    return str(pair[0]), str(pair[1])
