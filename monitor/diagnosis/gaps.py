"""Two windows in which gaps of columns are values: one's own, or those of what else is given."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.scores.features import Features, category_features
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.local_time import LocalTime
from whydrift.monitor.diagnosis.pair import WindowPair

__all__ = ["FilledPair", "GapPair", "ThinnedPair"]


@dataclass(frozen=True)
class _Beside(WindowPair):
    """Two windows of which some columns are read otherwise; of the others all is known already.

    With gaps in many columns, each such pair would compute the features of all once more.

    Parameters
    ----------
    whole : WindowPair
        The windows as they are.
    """

    whole: WindowPair = field(kw_only=True, repr=False, compare=False)

    @cached_property
    def clusters(self) -> IntArray | None:
        """Cluster number of each pooled row, or None."""
        return self.whole.clusters

    @cached_property
    def steps(self) -> IntArray | None:
        """When each pooled row was, where series took turns, or None."""
        return self.whole.steps

    @cached_property
    def calendar(self) -> FloatArray | None:
        """Columns of the calendar, or None."""
        return self.whole.calendar


@dataclass(frozen=True)
class GapPair(_Beside):
    """Two windows in which the values of one column are two levels: missing (1) and there (0).

    Parameters
    ----------
    gaps_of : str
        That column.
    """

    gaps_of: str = field(kw_only=True)

    @classmethod
    def of(cls, pair: WindowPair, name: str) -> GapPair:
        """Return the windows with a column's gaps in its place."""
        return cls(*_windows(pair), whole=pair, gaps_of=name)

    def values(self, name: str) -> FloatArray:
        """Return a column's pooled values; of the one in question, whether each is missing."""
        values = super().values(name)
        return np.isnan(values).astype(float) if name == self.gaps_of else values

    def is_discrete(self, name: str) -> bool:
        """Whether a column holds categories; gaps do."""
        return name == self.gaps_of or super().is_discrete(name)

    def features(self, name: str) -> Features:
        """Return a column's features over the pooled rows."""
        return super().features(name) if name == self.gaps_of else self.whole.features(name)

    def observed(self, name: str) -> BoolArray:
        """Return which pooled rows have a value in this column; whether one is missing is known."""
        return super().observed(name) if name == self.gaps_of else self.whole.observed(name)

    def lag(self, name: str) -> float:
        """Return how much neighbouring rows resemble each other in a column."""
        return super().lag(name) if name == self.gaps_of else self.whole.lag(name)


@dataclass(frozen=True)
class FilledPair(_Beside):
    """Two windows in which no row is lost for the gaps of some columns.

    A category's gap is one more level; a number's has the middle of all values, and a mark beside
    them. What these columns tell of another one is compared where they have values, and where they
    have none that they lack them. It is for columns on which that one hardly depends: of a cause,
    rows without a value are a mixture, which moves with the cause.

    Parameters
    ----------
    filled : frozenset of str
        Those columns.
    """

    filled: frozenset[str] = field(kw_only=True)

    @classmethod
    def of(cls, pair: WindowPair, names: frozenset[str]) -> FilledPair:
        """Return the windows with the gaps of some columns filled."""
        return cls(*_windows(pair), whole=pair, filled=names)

    def values(self, name: str) -> FloatArray:
        """Return a column's pooled values, the gaps filled."""
        values = self.whole.values(name)
        if name not in self.filled:
            return values
        there = values[np.isfinite(values)]
        instead = there.max() + 1 if self.is_discrete(name) else np.median(there)
        out: FloatArray = np.where(np.isfinite(values), values, instead)
        return out

    def features(self, name: str) -> Features:
        """Return a column's features over the pooled rows, with one more for its gaps."""
        if name not in self.filled:
            return self.whole.features(name)
        if name not in self._features:
            self._features[name] = self._with_mark(name)
        return self._features[name]

    def _with_mark(self, name: str) -> Features:
        if self.is_discrete(name):
            return category_features(self.values(name))
        plain = self.whole.features(name)
        mark = (~self.whole.observed(name)).astype(np.float64)
        linear, basis = (
            np.column_stack([np.nan_to_num(part), mark]) for part in (plain.linear, plain.basis)
        )
        return Features(linear, basis)

    def observed(self, name: str) -> BoolArray:
        """Return which pooled rows have a value in this column: all of one that is filled."""
        if name in self.filled:
            return np.ones(len(self.is_current), dtype=bool)
        return self.whole.observed(name)

    def lag(self, name: str) -> float:
        """Return how much neighbouring rows resemble each other in a column, but for its gaps."""
        return self.whole.lag(name)


@dataclass(frozen=True)
class ThinnedPair(_Beside):
    """Two windows of which some rows count as not complete, whatever is asked of them.

    Parameters
    ----------
    kept : ndarray of bool, shape (n_rows,)
        The others.
    """

    kept: BoolArray = field(kw_only=True, repr=False, compare=False)

    @classmethod
    def of(cls, pair: WindowPair, kept: BoolArray) -> ThinnedPair:
        """Return the windows with only these rows to be tested."""
        return cls(*_windows(pair), whole=pair, kept=kept)

    def values(self, name: str) -> FloatArray:
        """Return a column's pooled values."""
        return self.whole.values(name)

    def is_discrete(self, name: str) -> bool:
        """Whether a column holds categories."""
        return self.whole.is_discrete(name)

    def features(self, name: str) -> Features:
        """Return a column's features over all pooled rows."""
        return self.whole.features(name)

    def observed(self, name: str) -> BoolArray:
        """Return which pooled rows have a value in this column."""
        return self.whole.observed(name)

    def complete(self, names: tuple[str, ...]) -> BoolArray:
        """Return which of the rows kept have a value in all of these columns."""
        return self.whole.complete(names) & self.kept

    def lag(self, name: str) -> float:
        """Return how much neighbouring rows resemble each other in a column."""
        return self.whole.lag(name)


def _windows(
    pair: WindowPair,
) -> tuple[Snapshot, Snapshot, tuple[str, ...], str | None, IntArray | None, LocalTime]:
    return pair.reference, pair.current, pair.names, pair.cluster, pair.parts, pair.local
