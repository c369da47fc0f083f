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
    never_a_cause : sequence of str
        Columns that cause no other column.
    exogenous : sequence of str
        Columns that no other column causes.

    Raises
    ------
    GraphError
        If two statements clash; the message quotes both.
    """

    tiers: tuple[tuple[str, ...], ...] = ()
    required: tuple[tuple[str, str], ...] = ()
    forbidden: tuple[tuple[str, str], ...] = ()
    never_a_cause: tuple[str, ...] = ()
    exogenous: tuple[str, ...] = ()
    _tier_of: Mapping[str, int] = field(init=False, repr=False, compare=False)
    # What required edges lead to from a column, and the way there.
    _demanded: Mapping[str, Mapping[str, tuple[str, ...]]] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if any(isinstance(tier, str) for tier in self.tiers):
            raise GraphError(
                "a tier is a single name",
                where="knowledge",
                remedy='Write tiers=[["a", "b"], ["c"]]',
            )
        for name, value in (
            ("tiers", tuple(tuple(str(c) for c in tier) for tier in self.tiers)),
            ("required", tuple(_pair(p, "required") for p in self.required)),
            ("forbidden", tuple(_pair(p, "forbidden") for p in self.forbidden)),
            ("never_a_cause", _names(self.never_a_cause, "never_a_cause")),
            ("exogenous", _names(self.exogenous, "exogenous")),
        ):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "_tier_of", self._places())
        object.__setattr__(self, "_demanded", self._ways())
        for cause, reached in self._demanded.items():
            for effect, way in reached.items():
                against = self._against(cause, effect, direct=len(way) == 2)
                if against is not None:
                    raise _clash(f"required: {' → '.join(way)}", against)

    def _places(self) -> dict[str, int]:
        """Return the tier of each column that stands in one."""
        tier_of: dict[str, int] = {}
        for number, tier in enumerate(self.tiers):
            for column in tier:
                if column in tier_of:
                    raise _clash(
                        f"tiers: {column} stands in tier {tier_of[column] + 1}",
                        f"tiers: {column} stands in tier {number + 1}",
                    )
                tier_of[column] = number
        return tier_of

    def _ways(self) -> dict[str, dict[str, tuple[str, ...]]]:
        """Return the shortest way of required edges from each column to each that it leads to."""
        effects: dict[str, list[str]] = {}
        for cause, effect in self.required:
            effects.setdefault(cause, []).append(effect)
        ways: dict[str, dict[str, tuple[str, ...]]] = {}
        for start in effects:
            found: dict[str, tuple[str, ...]] = {}
            todo: list[tuple[str, ...]] = [(start,)]
            for way in todo:  # grows while it is walked
                for effect in effects.get(way[-1], ()):
                    if effect == start:
                        if len(way) == 1:
                            raise GraphError(
                                f"{start} → {start} is required, and no column causes itself",
                                where="knowledge",
                                remedy="Remove this edge",
                            )
                        raise _clash(
                            f"required: {' → '.join(way)}", f"required: {way[-1]} → {start}"
                        )
                    if effect not in found:
                        found[effect] = (*way, effect)
                        todo.append(found[effect])
            ways[start] = found
        return ways

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known."""
        return not any(
            (self.tiers, self.required, self.forbidden, self.never_a_cause, self.exogenous)
        )

    def columns(self) -> tuple[str, ...]:
        """Return every column that is named, once each."""
        named = [c for tier in self.tiers for c in tier]
        named += [c for pair in (*self.required, *self.forbidden) for c in pair]
        return tuple(dict.fromkeys((*named, *self.never_a_cause, *self.exogenous)))

    def allows(self, cause: str, effect: str) -> bool:
        """Whether ``cause → effect`` is compatible with what is known."""
        return self.ruled_out_by(cause, effect) is None

    def ruled_out_by(self, cause: str, effect: str) -> str | None:
        """Return the statement that rules out ``cause → effect``, in words, or None."""
        way = self._demanded.get(effect, {}).get(cause)
        if way is not None:
            return f"required: {' → '.join(way)}"
        return self._against(cause, effect, direct=True)

    def _against(self, cause: str, effect: str, *, direct: bool) -> str | None:
        """Return the statement, required edges apart, that rules out a direct edge or any way."""
        if direct and (cause, effect) in self.forbidden:
            return f"forbidden: {cause} → {effect}"
        earlier, later = self._tier_of.get(cause), self._tier_of.get(effect)
        if earlier is not None and later is not None and earlier > later:
            return f"tiers: {effect} in tier {later + 1}, {cause} in tier {earlier + 1}"
        if cause in self.never_a_cause:
            return f"never_a_cause: {cause}"
        if effect in self.exogenous:
            return f"exogenous: {effect}"
        return None

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
        """Return what is known about these columns alone.

        Where required edges lead from one of them to another through columns that are left out,
        the edge back is forbidden.
        """
        kept = set(names)
        back = {
            (way[-1], way[0]): None
            for reached in self._demanded.values()
            for way in reached.values()
            if way[0] in kept and way[-1] in kept and not kept.issuperset(way)
        }
        return Knowledge(
            tuple(tuple(c for c in tier if c in kept) for tier in self.tiers),
            tuple(p for p in self.required if kept.issuperset(p)),
            tuple(dict.fromkeys((*(p for p in self.forbidden if kept.issuperset(p)), *back))),
            tuple(c for c in self.never_a_cause if c in kept),
            tuple(c for c in self.exogenous if c in kept),
        )

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
        for cause, reached in self._demanded.items():
            for effect in reached:  # against these a cause would close a cycle
                if cause in position and effect in position:
                    allowed[position[effect], position[cause]] = False
        allowed[[position[c] for c in self.never_a_cause if c in position], :] = False
        allowed[:, [position[c] for c in self.exogenous if c in position]] = False
        return allowed

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, as a knowledge file holds them."""
        return {
            "tiers": [list(t) for t in self.tiers],
            "required": [list(p) for p in self.required],
            "forbidden": [list(p) for p in self.forbidden],
            "never_a_cause": list(self.never_a_cause),
            "exogenous": list(self.exogenous),
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Knowledge:
        """Read what :meth:`to_dict` writes; keys may be left out.

        Raises
        ------
        GraphError
            On an unknown key or a value of the wrong shape.
        """
        known = (*_LISTS_OF_LISTS, *_LISTS_OF_NAMES)
        for key in value:
            if key not in known:
                guess = nearest(str(key), known)
                raise GraphError(
                    f"unknown key {key!r}",
                    where="knowledge",
                    remedy=f"Did you mean {guess!r}?" if guess else f"Known: {', '.join(known)}",
                )
        for key in _LISTS_OF_LISTS:
            rows = value.get(key) or []
            if not _is_list(rows) or not all(_is_list(row) for row in rows):
                raise GraphError(
                    f"{key!r} is not a list of lists",
                    where="knowledge",
                    remedy=f'Write "{key}": [["a", "b"], …]',
                )
        return cls(**{key: stated for key, stated in value.items() if stated is not None})


_LISTS_OF_LISTS = ("tiers", "required", "forbidden")
_LISTS_OF_NAMES = ("never_a_cause", "exogenous")


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _clash(one: str, other: str) -> GraphError:
    return GraphError(
        f'"{one}" contradicts "{other}"',
        where="knowledge",
        remedy="Keep one of the two",
    )


def _names(value: Sequence[str], what: str) -> tuple[str, ...]:
    if not _is_list(value) or not all(isinstance(name, str) for name in value):
        raise GraphError(
            f"{what!r} is not a list of column names",
            where="knowledge",
            remedy=f'Write {what}: ["a", "b"]',
        )
    return tuple(dict.fromkeys(str(name) for name in value))


def _pair(pair: Sequence[str], what: str) -> tuple[str, str]:
    if isinstance(pair, str) or len(pair) != 2:
        raise GraphError(
            f"{what} edge {pair!r} is not a (cause, effect) pair",
            where="knowledge",
            remedy="Write two column names, the cause first",
        )
    return str(pair[0]), str(pair[1])
