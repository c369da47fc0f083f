"""One treated unit among untreated ones, period by period."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.errors import OptionError, SchemaError, TooFewRows, nearest
from whydrift.discovery.snapshot.note import Note
from whydrift.effects.words import joined

if TYPE_CHECKING:
    from whydrift.effects.study import Study

__all__ = ["Panel", "read_panel"]

_FEWEST_BEFORE, _FEWEST_DONORS = 3, 2


@dataclass(frozen=True)
class Panel:
    """Outcomes of a treated unit and its donors.

    Parameters
    ----------
    treated : ndarray of shape (n_periods,)
        The mean of the treated units where there are several.
    donors : ndarray of shape (n_periods, n_donors)
    treated_names, donor_names : tuple of str
    period_names : tuple of str
    before : int
        Periods before the treatment.
    predictors : ndarray of shape (n_predictors, 1 + n_donors)
        What is matched, of the treated first; none where all outcomes before are.
    predictor_names : tuple of str
    notes : tuple of Note
    """

    treated: FloatArray
    donors: FloatArray
    treated_names: tuple[str, ...]
    donor_names: tuple[str, ...]
    period_names: tuple[str, ...]
    before: int
    predictors: FloatArray
    predictor_names: tuple[str, ...]
    notes: tuple[Note, ...] = ()

    @property
    def periods(self) -> FloatArray:
        """The periods as numbers where they are some, else their places."""
        try:
            values = np.array([float(name) for name in self.period_names])
        except ValueError:
            return np.arange(len(self.period_names), dtype=np.float64)
        return values

    @property
    def who(self) -> str:
        """The treated units in words."""
        return joined(self.treated_names)


def read_panel(
    study: Study, start: Any, predictors: tuple[str, ...], matched: tuple[Any, ...]
) -> Panel:
    """Read a study once.

    Treated units are those with the treatment at any time; it begins where it is first seen, or at
    ``start``.

    Parameters
    ----------
    study : Study
    start : period, optional
        The first period under treatment, as the data write it.
    predictors : tuple of str
        Columns, matched by their means over the periods before in which they are known.
    matched : tuple of periods
        Whose outcomes are matched beside them; none for the mean, the first and the last.

    Raises
    ------
    SchemaError
        If a unit has two rows in a period, the treated unit lacks one, treated units begin at
        different times, or the treatment ends.
    OptionError
        If ``start`` or a matched period is none, or ``start`` is needed and absent.
    TooFewRows
        If there are too few donors, or periods before.
    """
    unit, unit_names = study.unit
    time, period_names = study.time
    shape = (len(period_names), len(unit_names))
    _check_single(unit, time, shape, unit_names, period_names)
    outcome = _grid(study.outcome, unit, time, shape)
    treatment = _grid(study.treatment.values, unit, time, shape)
    is_treated = np.nanmax(treatment, axis=0) == 1
    before = _before(treatment[:, is_treated], period_names, start, study)
    chosen = np.flatnonzero(is_treated)
    for column in chosen:
        gaps = np.flatnonzero(np.isnan(outcome[:, column]))
        if len(gaps):
            lacking = joined([period_names[i] for i in gaps])
            raise SchemaError(
                f"treated unit {unit_names[column]} has no row in {lacking}",
                where="synthetic_control",
                remedy="Fill the gap, or leave these periods out",
            )
    complete = ~np.isnan(outcome).any(axis=0)
    donors = np.flatnonzero(~is_treated & complete)
    notes: tuple[Note, ...] = ()
    if (gone := ~is_treated & ~complete).any():
        names = [unit_names[i] for i in np.flatnonzero(gone)]
        text = f"{len(names)} donors left out, as periods of theirs are missing: {joined(names)}"
        notes = (Note("unbalanced_panel", study.roles.unit, text),)
    if len(donors) < _FEWEST_DONORS:
        raise TooFewRows(
            f"{len(donors)} untreated units with all {shape[0]} periods, and a mix needs "
            f"{_FEWEST_DONORS}",
            where="synthetic_control",
            remedy="Give units that were never treated, seen in the same periods",
        )
    means = _predictors(
        study, predictors, (unit, time, shape), before, (chosen, donors), unit_names
    )
    both = np.column_stack([outcome[:, chosen].mean(axis=1), outcome[:, donors]])
    at, at_names = _matched(both, matched, period_names, before, study.roles.outcome)
    return Panel(
        outcome[:, chosen].mean(axis=1),
        outcome[:, donors],
        tuple(_title(unit_names[i], study) for i in chosen),
        tuple(_title(unit_names[i], study) for i in donors),
        period_names,
        before,
        np.vstack([means, at]) if predictors or matched else np.empty((0, 1 + len(donors))),
        (*predictors, *at_names) if predictors or matched else (),
        notes,
    )


def _title(unit: str, study: Study) -> str:
    """Return the name of a unit; a number says what it numbers."""
    return f"{study.roles.unit} {unit}" if unit.lstrip("-").isdigit() else unit


def _check_single(
    unit: IntArray,
    time: IntArray,
    shape: tuple[int, int],
    unit_names: tuple[str, ...],
    period_names: tuple[str, ...],
) -> None:
    seen = np.bincount(time * shape[1] + unit, minlength=shape[0] * shape[1])
    if seen.max() > 1:
        period, who = divmod(int(np.argmax(seen)), shape[1])
        raise SchemaError(
            f"unit {unit_names[who]} has {int(seen.max())} rows in period {period_names[period]}",
            where="unit, time",
            remedy="Give one row for each unit and period, such as their mean",
        )


def _grid(values: FloatArray, unit: IntArray, time: IntArray, shape: tuple[int, int]) -> FloatArray:
    grid = np.full(shape, np.nan)
    grid[time, unit] = values
    return grid


def _before(treatment: FloatArray, periods: tuple[str, ...], start: Any, study: Study) -> int:
    """Return how many periods lie before the treatment.

    Parameters
    ----------
    treatment : ndarray of shape (n_periods, n_treated)
    """
    always = bool((np.nan_to_num(treatment, nan=1.0) == 1).all())
    if start is None:
        if always:
            raise OptionError(
                f"{study.roles.treatment} is {study.treatment.levels[1]} for its units in every "
                "period, so that nothing says when it began",
                where="synthetic_control",
                remedy="Give start=, the first period under treatment",
            )
        firsts = np.nanargmax(treatment, axis=0)
        if len(set(firsts.tolist())) > 1:
            raise SchemaError(
                "treated units begin at different times: "
                f"{joined([periods[i] for i in sorted(set(firsts.tolist()))])}",
                where="synthetic_control",
                remedy="Estimate them one by one, or take method 'did'",
            )
        first = int(firsts[0])
    else:
        first = _place(start, periods, "start")
    after: BoolArray = np.nan_to_num(treatment[first:], nan=1.0) == 1
    if not always and not (after.all() and not (treatment[:first] == 1).any()):
        raise SchemaError(
            f"the treatment does not last from {periods[first]} to the end",
            where="synthetic_control",
            remedy="Leave out the periods after it ended, and give start= where it began",
        )
    if first < _FEWEST_BEFORE:
        raise TooFewRows(
            f"{first} periods before the treatment, and a mix that is to be judged by them needs "
            f"{_FEWEST_BEFORE}",
            where="synthetic_control",
            remedy="Give earlier periods too",
        )
    return first


def _predictors(
    study: Study,
    names: tuple[str, ...],
    places: tuple[IntArray, IntArray, tuple[int, int]],
    before: int,
    columns: tuple[IntArray, IntArray],
    unit_names: tuple[str, ...],
) -> FloatArray:
    """Return the means of the predictors over the periods before in which they are known."""
    unit, time, shape = places
    chosen, donors = columns
    rows: list[FloatArray] = []
    for name in names:
        grid = _grid(study.numbers(name, "predictors"), unit, time, shape)[:before]
        known = (~np.isnan(grid)).sum(axis=0)
        lacking = [i for i in (*chosen, *donors) if not known[i]]
        if lacking:
            raise SchemaError(
                f"predictor {name!r} is missing throughout before the treatment for "
                f"{joined([unit_names[i] for i in lacking])}",
                where="synthetic_control, predictors",
                remedy="Leave it, or these units, out",
            )
        mean = np.nansum(grid, axis=0) / np.maximum(known, 1)
        rows.append(np.append(mean[chosen].mean(), mean[donors]))
    return np.array(rows).reshape(len(names), 1 + len(donors))


def _matched(
    both: FloatArray, matched: tuple[Any, ...], periods: tuple[str, ...], before: int, outcome: str
) -> tuple[FloatArray, tuple[str, ...]]:
    """Return outcomes before the treatment that are matched, and what they are called."""
    if not matched:
        found = np.vstack([both[:before].mean(axis=0), both[0], both[before - 1]])
        return found, (f"mean {outcome}", f"first {outcome}", f"last {outcome}")
    places = [_place(period, periods, "matched") for period in matched]
    for place in places:
        if place >= before:
            raise OptionError(
                f"period {periods[place]} is not before the treatment",
                where="synthetic_control, matched",
                remedy=f"Name periods up to {periods[before - 1]}",
            )
    return both[places], tuple(f"{outcome} in {periods[place]}" for place in places)


def _place(period: Any, periods: tuple[str, ...], option: str) -> int:
    word = f"{period:g}" if isinstance(period, float) else str(period)
    if word not in periods:
        guess = nearest(word, periods)
        raise OptionError(
            f"there is no period {word!r}",
            where=f"synthetic_control, {option}",
            remedy=f"Did you mean {guess!r}?" if guess else f"They are {joined(periods)}",
        )
    return periods.index(word)
