"""Two windows side by side: pooled rows, features of each column, dependence between rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy.special import ndtri

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.scores.features import Features, category_features, number_features
from whydrift.discovery.snapshot.schema import Role
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.discovery.steps import without_steps
from whydrift.monitor.diagnosis.calendar import calendar_columns
from whydrift.monitor.diagnosis.local_time import UTC, LocalTime
from whydrift.monitor.diagnosis.resemblance import lag_one

__all__ = ["WindowPair"]


@dataclass(frozen=True)
class WindowPair:
    """The samples of a reference and a current window, pooled (reference rows first).

    Parameters
    ----------
    reference, current : Snapshot
        With the same meaning of category codes.
    names : tuple of str
        The columns in play.
    cluster : str, optional
        A column whose equal values mark rows that belong together.
    parts : ndarray of shape (n_reference_rows,), optional
        Which past window each reference row came from, ascending, where there are several.
    local : LocalTime
        By which rows have their hour and day.
    turns : (int, int)
        How many series that took turns stand one after the other in each window.
    """

    reference: Snapshot
    current: Snapshot
    names: tuple[str, ...]
    cluster: str | None = None
    parts: IntArray | None = None
    local: LocalTime = UTC
    turns: tuple[int, int] = (1, 1)
    _features: dict[str, Features] = field(default_factory=dict, repr=False, compare=False)
    _observed: dict[str, BoolArray] = field(default_factory=dict, repr=False, compare=False)
    _lags: dict[str, float] = field(default_factory=dict, repr=False, compare=False)

    def with_current(self, values: Mapping[str, FloatArray]) -> WindowPair:
        """Return the windows with other current values of some columns.

        What was worked out of the other columns is kept.

        Parameters
        ----------
        values : mapping of str to ndarray of shape (n_current_sampled,)
        """
        kept = WindowPair(
            self.reference,
            self.current.with_sample(values),
            self.names,
            self.cluster,
            self.parts,
            self.local,
            self.turns,
        )
        kept._features.update((n, f) for n, f in self._features.items() if n not in values)
        kept._observed.update((n, o) for n, o in self._observed.items() if n not in values)
        kept._lags.update((n, r) for n, r in self._lags.items() if n not in values)
        return kept

    @cached_property
    def split(self) -> int:
        """Rows of the reference: pooled row number ``split`` is the first current one."""
        return len(self.reference.sample)

    @cached_property
    def is_current(self) -> FloatArray:
        """1 for current rows, 0 for reference rows; shape (n_rows,)."""
        return np.concatenate([np.zeros(self.split), np.ones(len(self.current.sample))])

    @cached_property
    def has_predecessor(self) -> BoolArray:
        """Which pooled rows come just after the row before them in their window."""
        return np.concatenate([w.has_predecessor for w in (self.reference, self.current)])

    def values(self, name: str) -> FloatArray:
        """Return a column's pooled values, shape (n_rows,), NaN where missing."""
        return np.concatenate([self.reference.column(name), self.current.column(name)])

    @cached_property
    def calendar(self) -> FloatArray | None:
        """Columns of the calendar, shape (n_rows, n_columns), where past windows show a season."""
        time = self.reference.schema.with_role(Role.TIME)
        if self.parts is None or time is None:
            return None
        if not (self.reference.has(time) and self.current.has(time)):
            return None
        columns, _ = calendar_columns(self.values(time), self.split, self.local)
        return columns if columns.shape[1] else None

    def is_discrete(self, name: str) -> bool:
        """Whether a column holds categories."""
        return self.reference.schema[name].kind.is_discrete

    def features(self, name: str) -> Features:
        """Return a column's features over the pooled rows (computed once)."""
        if name not in self._features:
            values = self.values(name)
            self._features[name] = (
                category_features(values)
                if self.is_discrete(name)
                else number_features(values, self._order(name))
            )
        return self._features[name]

    def _order(self, name: str) -> IntArray:
        """Return the pooled rows that have a value, in its order: the windows' are merged."""
        rows = np.concatenate([self.reference.order(name), self.split + self.current.order(name)])
        return rows[np.argsort(self.values(name)[rows], kind="stable")]

    def observed(self, name: str) -> BoolArray:
        """Return which pooled rows have a value in this column (computed once)."""
        if name not in self._observed:
            self._observed[name] = np.isfinite(self.values(name))
        return self._observed[name]

    def complete(self, names: tuple[str, ...]) -> BoolArray:
        """Return which pooled rows have a value in all of these columns."""
        rows = np.ones(len(self.is_current), dtype=bool)
        for name in names:
            rows &= self.observed(name)
        return rows

    @cached_property
    def clusters(self) -> IntArray | None:
        """Cluster number of each pooled row, or None; a missing key is a cluster of its own."""
        if self.cluster is None or not (
            self.reference.has(self.cluster) and self.current.has(self.cluster)
        ):
            return None
        keys = self.values(self.cluster)
        codes = np.unique(keys, return_inverse=True)[1].astype(np.int64)
        lone = ~np.isfinite(keys)
        codes[lone] = codes.max() + 1 + np.arange(lone.sum())
        return codes

    @cached_property
    def steps(self) -> IntArray | None:
        """When each pooled row was, within its window, where series took turns; else None.

        Rows of one step are one of each series: what all have in common comes as often as there
        are series.
        """
        if max(self.turns) == 1:
            return None
        counts = self.split, len(self.is_current) - self.split
        own = []
        for rows, series in zip(counts, self.turns, strict=True):
            number = np.arange(rows)
            own.append((number // series)[np.lexsort((number, number % series))])
        return np.concatenate(own)

    @cached_property
    def is_autocorrelated(self) -> bool:
        """Whether neighbouring rows resemble each other in some column: seen, never declared.

        Some column's lag-1 correlation of scores, times √n, exceeds five and the Bonferroni limit
        at level .0005 over all columns and both windows.
        """
        tests = 2 * max(1, len(self.names))
        limit = max(5.0, float(-ndtri(0.0005 / (2 * tests))))
        return any(self.lag(name) > limit for name in self.names)

    def lag(self, name: str) -> float:
        """Return the larger of both windows' |lag-1 correlation| · √n of a column's scores.

        Of the current window's but for clear steps, which are a change. It is 0 where there is
        nothing to tell it by (computed once).
        """
        if name not in self._lags:
            linear = self.features(name).linear
            # Without features: one category alone, once the others are known to be faulty.
            scores = linear[:, 0] if linear.shape[1] else np.empty(0)
            current = scores[self.split :]
            current = current[np.isfinite(current)]
            if current.size:
                current = without_steps(current)
            self._lags[name] = max(lag_one(scores[: self.split]), lag_one(current))
        return self._lags[name]
