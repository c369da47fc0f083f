"""The Study: the data as they were given, checked once, in the roles that methods ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray, read_only
from whydrift.discovery.errors import NoRows, SchemaError
from whydrift.discovery.snapshot.note import Note
from whydrift.effects.columns import codes, is_category, is_missing, numbers, require
from whydrift.effects.covariates import Covariates, columns_named, covariates
from whydrift.effects.frame import as_table
from whydrift.effects.treatment import Treatment, read_treatment
from whydrift.effects.treatment_kind import TreatmentKind
from whydrift.effects.words import joined, percent

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Roles", "Study"]

_SAME = 1 - 1e-9  # a correlation from which on two columns are one


@dataclass(frozen=True)
class Roles:
    """Which column is what.

    Parameters
    ----------
    treatment, outcome : str
    adjustment : tuple of str
        Terms: columns, ``C(column)``, ``column^2``, ``a:b``; see `covariates`.
    instruments : tuple of str
    running, unit, time, cluster : str, optional
        What a threshold decides on; who is seen again and again; when; who belongs together.
    others : mapping of str to str
        Further columns, by the name of the option that names them (``mediator``): rows where one of
        them is missing are dropped too.
    """

    treatment: str
    outcome: str
    adjustment: tuple[str, ...] = ()
    instruments: tuple[str, ...] = ()
    running: str | None = None
    unit: str | None = None
    time: str | None = None
    cluster: str | None = None
    others: Mapping[str, tuple[str, ...]] | None = None

    def named(self) -> dict[str, tuple[str, ...]]:
        """Return the columns named in each role but adjustment."""
        single = {
            "treatment": self.treatment,
            "outcome": self.outcome,
            "running": self.running,
            "unit": self.unit,
            "time": self.time,
            "cluster": self.cluster,
        }
        found = {role: (name,) for role, name in single.items() if name is not None}
        return {**found, "instrument": self.instruments, **(self.others or {})}


@dataclass(frozen=True, eq=False)
class Study:
    """Rows in which nothing that is used is missing.

    Parameters
    ----------
    table : pyarrow.Table
        The rows used, all columns.
    roles : Roles
    treatment : Treatment
    outcome : ndarray of shape (n_rows,)
        0 and 1 where it holds truth values or two words.
    outcome_levels : tuple of str
        What 0 and 1 stand for, where the outcome holds two words.
    covariates : Covariates
        What is adjusted for; maybe nothing.
    rows : ndarray of int, shape (n_rows,)
        The place of each row in the data as given.
    rows_given : int
        Rows of the arms compared, before any was dropped.
    notes : tuple of Note
    """

    table: pa.Table
    roles: Roles
    treatment: Treatment
    outcome: FloatArray
    outcome_levels: tuple[str, ...]
    covariates: Covariates
    rows: IntArray
    rows_given: int
    notes: tuple[Note, ...] = ()

    @classmethod
    def build(
        cls, data: Any, roles: Roles, *, control: str | None = None, arm: str | None = None
    ) -> Study:
        """Read data once.

        Parameters
        ----------
        data : pandas.DataFrame, polars.DataFrame, pyarrow.Table or mapping of str to columns
        roles : Roles
        control, arm : str, optional
            Levels of the treatment to compare; rows of other levels are left out where ``arm`` is
            given.

        Raises
        ------
        SchemaError
            If a column is not there or does not fit its role, the treatment is constant or leaves
            an arm empty, or it equals a column that is adjusted for.
        NoRows
            If no row is complete.
        """
        table, notes = as_table(data)
        if not table.num_rows:
            raise NoRows("there is not a single row", where="data", remedy="Give a table with rows")
        named = {
            role: [c for name in names for c in columns_named(table, (name,), role)]
            for role, names in roles.named().items()
        }
        adjusted = columns_named(table, roles.adjustment)
        _check_roles(roles, adjusted)
        used = tuple(dict.fromkeys([c for names in named.values() for c in names] + [*adjusted]))
        complete, dropped = _complete(table, used)
        notes = (*notes, *dropped)
        compared = _is_one_of(table, roles.treatment, control, arm)
        rows = np.flatnonzero(complete & compared)
        kept = table.take(rows)
        if not len(rows):
            gone = [name for name in used if is_missing(table, name).all()]
            said = f": {joined(gone)} missing in all" if gone else ""
            raise NoRows(
                f"no row of {table.num_rows:,} is complete{said}",
                where="data",
                remedy="Leave that column out" if gone else "Name fewer columns, or fill gaps",
            )
        treatment = read_treatment(kept, roles.treatment, control=control, arm=arm)
        outcome, levels = _read_outcome(kept, roles.outcome)
        if outcome.min() == outcome.max():
            raise SchemaError(
                f"outcome {roles.outcome!r} has one value in all {len(rows):,} usable rows",
                where="outcome",
                remedy="Nothing can have changed what never varies: name another column",
            )
        design = covariates(kept, roles.adjustment)
        study = cls(
            kept, roles, treatment, read_only(outcome), levels, design, rows, int(compared.sum()),
            (*notes, *design.notes),
        )  # fmt: skip
        study._check_copies()
        return study

    # ---- rows ---------------------------------------------------------------------------------
    @property
    def n(self) -> int:
        """Rows used."""
        return len(self.rows)

    @property
    def share_dropped(self) -> float:
        """Share of the rows given that could not be used."""
        return 1 - self.n / self.rows_given

    @property
    def outcome_is_binary(self) -> bool:
        """Whether the outcome is 0 or 1 throughout."""
        return bool(np.isin(self.outcome, (0.0, 1.0)).all())

    # ---- roles, read when they are asked for ----------------------------------------------------
    @cached_property
    def cluster(self) -> IntArray | None:
        """The cluster of each row, from 0; None where none is named.

        Raises
        ------
        SchemaError
            If there is one cluster only.
        """
        if self.roles.cluster is None:
            return None
        found, levels = codes(self.table, self.roles.cluster)
        if len(levels) < 2:
            raise SchemaError(
                "all rows are in one cluster: nothing says how far chance alone would go",
                where=f"cluster {self.roles.cluster!r}",
                remedy="Name a column with several values, or no cluster",
            )
        return found

    @cached_property
    def running(self) -> FloatArray:
        """The running variable of each row."""
        assert self.roles.running is not None
        return numbers(self.table, self.roles.running, "running")

    @cached_property
    def instruments(self) -> Covariates:
        """The instruments, as a matrix of full rank; words become 0/1 columns."""
        return covariates(self.table, self.roles.instruments)

    @cached_property
    def unit(self) -> tuple[IntArray, tuple[str, ...]]:
        """The unit of each row as a code, and the units' names."""
        assert self.roles.unit is not None
        return codes(self.table, self.roles.unit)

    @cached_property
    def time(self) -> tuple[IntArray, tuple[str, ...]]:
        """The period of each row as a code in order of time, and the periods' names."""
        assert self.roles.time is not None
        return codes(self.table, self.roles.time)

    def numbers(self, name: str, role: str) -> FloatArray:
        """Return a further column of the rows used as numbers; missing is NaN."""
        return numbers(self.table, require(self.table, name, role), role)

    def codes(self, name: str, role: str) -> tuple[IntArray, tuple[str, ...]]:
        """Return a further column of the rows used as codes into its levels; missing is −1."""
        return codes(self.table, require(self.table, name, role))

    def with_adjustment(self, terms: Sequence[str]) -> Study:
        """Return the study adjusted for other terms, on the same rows.

        Raises
        ------
        SchemaError
            If one of their columns is missing somewhere in these rows.
        """
        for name in columns_named(self.table, terms):
            if is_missing(self.table, name).any():
                raise SchemaError(
                    f"column {name!r} is missing in some rows",
                    where="adjustment",
                    remedy="Name it when the study is built, so that these rows are dropped",
                )
        roles = replace(self.roles, adjustment=tuple(terms))
        return replace(self, roles=roles, covariates=covariates(self.table, terms))

    def only(self, kept: BoolArray) -> Study:
        """Return the study of some of its rows.

        Raises
        ------
        SchemaError
            If one arm is left.
        """
        rows = np.flatnonzero(kept)
        treatment = replace(self.treatment, values=self.treatment.values[rows])
        if len(np.unique(treatment.values)) < 2:
            raise SchemaError(
                "the rows that are left were all treated alike",
                where=f"treatment {self.roles.treatment!r}",
                remedy="Leave fewer rows out",
            )
        table = self.table.take(rows)
        return replace(
            self, table=table, treatment=treatment, outcome=self.outcome[rows],
            covariates=covariates(table, self.roles.adjustment), rows=self.rows[rows],
        )  # fmt: skip

    # ---- checks -------------------------------------------------------------------------------
    def _check_copies(self) -> None:
        """Raise where the treatment or the outcome is one of the columns adjusted for."""
        kind = self.treatment.kind
        sides = [("outcome", self.roles.outcome, self.outcome)]
        if kind is not TreatmentKind.CATEGORIES:
            sides.append(("treatment", self.roles.treatment, self.treatment.values))
        for role, name, values in sides:
            spread = values.std()
            if not len(self.covariates) or not spread > 0:
                continue
            scaled = (values - values.mean()) / spread
            alike = np.abs(scaled @ self.covariates.standardised) / self.n
            worst = int(np.argmax(alike))
            if alike[worst] > _SAME:
                raise SchemaError(
                    f"{role} {name!r} and the covariate {self.covariates.names[worst]!r} are the "
                    "same column",
                    where="adjustment",
                    remedy=f"Adjusting for it takes away what is to be found: leave "
                    f"{self.covariates.names[worst]!r} out",
                )


def _check_roles(roles: Roles, adjusted: Sequence[str]) -> None:
    """Raise where one column stands in two roles that exclude each other."""
    alone = {"treatment": roles.treatment, "outcome": roles.outcome}
    if roles.treatment == roles.outcome:
        raise SchemaError(
            f"{roles.treatment!r} is named as treatment and as outcome",
            where="treatment, outcome",
            remedy="Name two different columns",
        )
    for role, name in alone.items():
        for other, names in {**roles.named(), "adjustment": tuple(adjusted)}.items():
            if other in alone or name not in names:
                continue
            # A sharp threshold decides on the running variable, and time may itself be the event.
            raise SchemaError(
                f"{name!r} is named as {role} and as {other}",
                where=other,
                remedy=f"Leave {name!r} out of one of the two",
            )
    for name in roles.instruments:
        if name in adjusted:
            raise SchemaError(
                f"{name!r} is named as instrument and adjusted for",
                where="instrument, adjustment",
                remedy=f"Leave {name!r} out of one of the two",
            )


def _complete(table: pa.Table, used: Sequence[str]) -> tuple[BoolArray, tuple[Note, ...]]:
    """Return the rows in which no used column is missing, and what is said of the others."""
    complete = np.ones(table.num_rows, dtype=bool)
    holes: dict[str, int] = {}
    for name in used:
        gone = is_missing(table, name)
        complete &= ~gone
        if gone.any():
            holes[name] = int(gone.sum())
    if complete.all():
        return complete, ()
    dropped = int((~complete).sum())
    by_size = sorted(holes, key=lambda name: -holes[name])
    said = joined([f"{name} in {holes[name]:,}" for name in by_size])
    share = percent(dropped / table.num_rows)
    text = f"{dropped:,} of {table.num_rows:,} rows ({share}) dropped for missing values: {said}"
    return complete, (Note("rows_dropped", by_size[0], text),)


def _is_one_of(table: pa.Table, name: str, control: str | None, arm: str | None) -> BoolArray:
    """Return the rows of the two arms compared: all of them where none is named."""
    if arm is None:
        return np.ones(table.num_rows, dtype=bool)
    found, levels = codes(table, name)
    if control is None:
        if len(levels) > 2:
            raise SchemaError(
                f"treatment {name!r} has {len(levels)} values, and one of them is named",
                where="arm",
                remedy="Name the control too, so that it is clear what is compared with what",
            )
        return np.ones(table.num_rows, dtype=bool)
    wanted = [i for i, level in enumerate(levels) if level in {control, arm}]
    chosen: BoolArray = np.isin(found, wanted)
    # A level that is not there is named by read_treatment, which sees all of them.
    return chosen if len(wanted) == 2 else np.ones(table.num_rows, dtype=bool)


def _read_outcome(table: pa.Table, name: str) -> tuple[FloatArray, tuple[str, ...]]:
    if not is_category(table, name):
        return numbers(table, name, "outcome"), ()
    found, levels = codes(table, name)
    if len(levels) != 2:
        raise SchemaError(
            f"outcome {name!r} holds {len(levels)} different words",
            where="outcome",
            remedy="Give numbers, truth values or two words",
        )
    return found.astype(np.float64), levels
