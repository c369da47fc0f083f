"""The Schema: what kind of thing each column is, and the part it plays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

from whydrift.discovery.errors import SchemaError, nearest
from whydrift.discovery.snapshot.blocks import Blocks

__all__ = ["Column", "ColumnKind", "Role", "Schema"]


class ColumnKind(StrEnum):
    """What a column's values are."""

    CONTINUOUS = "continuous"
    COUNT = "count"
    ORDINAL = "ordinal"
    CATEGORICAL = "categorical"
    BINARY = "binary"
    TIMESTAMP = "timestamp"
    ID = "id"
    IGNORED = "ignored"

    @property
    def is_numeric(self) -> bool:
        """Whether values have an order and distances (ranks are meaningful)."""
        return self in {ColumnKind.CONTINUOUS, ColumnKind.COUNT, ColumnKind.ORDINAL}

    @property
    def is_discrete(self) -> bool:
        """Whether values are names without an order."""
        return self in {ColumnKind.CATEGORICAL, ColumnKind.BINARY}

    @property
    def is_modelled(self) -> bool:
        """Whether the column takes part in graphs and tests."""
        return self.is_numeric or self.is_discrete


class Role(StrEnum):
    """The part that a column plays."""

    FEATURE = "feature"
    TARGET = "target"
    PREDICTION = "prediction"
    LOSS = "loss"
    CLUSTER = "cluster"
    WEIGHT = "weight"
    SEGMENT = "segment"
    TIME = "time"
    VERSION = "version"


@dataclass(frozen=True, slots=True)
class Column:
    """One column's kind and role.

    Parameters
    ----------
    name : str
        As in the data.
    kind : ColumnKind
        What its values are.
    role : Role
        The part it plays.
    categories : tuple of str
        Names of the categories in the reference, commonest first; empty for numbers.
    unit : str, optional
        Unit of measurement, shown in reports.
    low, high : float, optional
        Bounds that valid values keep.
    why : str
        The evidence for the kind, in words ("3 distinct whole numbers").
    known : int, optional
        So many of the categories come from the schema that the window was read with, the rest were
        new to it and stand by how often they came; all where this is None.
    """

    name: str
    kind: ColumnKind
    role: Role = Role.FEATURE
    categories: tuple[str, ...] = ()
    unit: str | None = None
    low: float | None = None
    high: float | None = None
    why: str = ""
    known: int | None = field(default=None, compare=False, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "name": self.name,
            "kind": self.kind.value,
            "role": self.role.value,
            "categories": list(self.categories),
            "unit": self.unit,
            "low": self.low,
            "high": self.high,
            "why": self.why,
            "known": self.known,
        }


@dataclass(frozen=True)
class Schema:
    """The columns of a window, in order.

    Build it with :meth:`Snapshot.from_frame` (which infers it), look at it, and override what is
    wrong with :meth:`with_kinds` and :meth:`with_roles`.

    Parameters
    ----------
    columns : tuple of Column
    blocks : Blocks, optional
        How rows fall into blocks, of which a sample is made; chosen with the reference.
    """

    columns: tuple[Column, ...]
    blocks: Blocks | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(c.name for c in self.columns)

    @property
    def modelled(self) -> tuple[str, ...]:
        """Columns that take part in graphs and tests: features and target of a usable kind."""
        return tuple(
            c.name
            for c in self.columns
            if c.kind.is_modelled and c.role in {Role.FEATURE, Role.TARGET, Role.SEGMENT}
        )

    def with_role(self, role: Role) -> str | None:
        """Return the first column that plays this role, or None."""
        return next((c.name for c in self.columns if c.role is role), None)

    @cached_property
    def _by_name(self) -> dict[object, Column]:
        return {c.name: c for c in self.columns}

    def __getitem__(self, name: str) -> Column:
        return self._by_name[self.require(name)]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    def require(self, name: str, where: str = "schema") -> str:
        """Return ``name`` if there is such a column, else raise and name the nearest.

        Raises
        ------
        SchemaError
            If there is no such column.
        """
        if name in self:
            return name
        guess = nearest(name, self.names)
        listed = ", ".join(self.names[:20]) + (" …" if len(self) > 20 else "")
        raise SchemaError(
            f"column {name!r} is not in the data",
            where=where,
            remedy=f"Did you mean {guess!r}? Columns are: {listed}"
            if guess
            else f"Columns are: {listed}",
        )

    def with_kinds(self, kinds: Mapping[str, ColumnKind | str]) -> Schema:
        """Return the schema with some kinds overridden.

        Raises
        ------
        SchemaError
            On an unknown column or kind.
        """
        known = [k.value for k in ColumnKind]
        for name, kind in kinds.items():
            self.require(name)
            if str(kind) not in known:
                raise SchemaError(
                    f"unknown kind {str(kind)!r}",
                    where=f"column {name!r}",
                    remedy=f"Known kinds: {', '.join(known)}",
                )
        return replace(
            self,
            columns=tuple(
                replace(
                    c,
                    kind=ColumnKind(kinds[c.name]),
                    why="set by the user",
                    categories=(),
                    known=None,
                )
                if c.name in kinds
                else c
                for c in self.columns
            ),
        )

    def with_roles(self, roles: Mapping[str, Role | str]) -> Schema:
        """Return the schema with some roles set.

        Raises
        ------
        SchemaError
            On an unknown column or role.
        """
        known = [r.value for r in Role]
        for name, role in roles.items():
            self.require(name)
            if str(role) not in known:
                raise SchemaError(
                    f"unknown role {str(role)!r}",
                    where=f"column {name!r}",
                    remedy=f"Known roles: {', '.join(known)}",
                )
        return replace(
            self,
            columns=tuple(
                replace(c, role=Role(roles[c.name])) if c.name in roles else c for c in self.columns
            ),
        )

    def select(self, names: Iterable[str]) -> Schema:
        """Return the schema of these columns alone, in this schema's order."""
        kept = set(names)
        return replace(self, columns=tuple(c for c in self.columns if c.name in kept))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "columns": [c.to_dict() for c in self.columns],
            "blocks": None if self.blocks is None else self.blocks.to_dict(),
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Schema:
        """Read what :meth:`to_dict` writes."""
        return cls(
            tuple(
                Column(
                    **{
                        **row,
                        "kind": ColumnKind(row["kind"]),
                        "role": Role(row["role"]),
                        "categories": tuple(row["categories"]),
                    }
                )
                for row in value["columns"]
            ),
            None if value.get("blocks") is None else Blocks.from_dict(value["blocks"]),
        )

    def _repr_html_(self) -> str:
        import html

        rows = "".join(
            f"<tr><td>{html.escape(c.name)}</td><td>{c.kind}</td><td>{c.role}</td>"
            f"<td>{html.escape(c.why)}</td></tr>"
            for c in self.columns
        )
        return (
            f"<table><tr><th>column</th><th>kind</th><th>role</th><th>why</th></tr>{rows}</table>"
        )
