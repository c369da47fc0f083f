"""The table of scores, and the choice among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import ndtri

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.errors import OptionError, unknown_name
from whydrift.discovery.independence.dependence import Dependence
from whydrift.discovery.scores.base import Score
from whydrift.discovery.scores.bdeu import BDeu
from whydrift.discovery.scores.environment import EnvironmentScore
from whydrift.discovery.scores.features import (
    Features,
    category_features,
    number_features,
    plain_features,
)
from whydrift.discovery.scores.gaussian import GaussianScore
from whydrift.discovery.scores.moments import LEAST_COMPLETE, gram_matrices
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.schema import ColumnKind
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["Row", "choose_score", "gaussian_score", "known_scores", "rows", "score_named"]

Windows = Sequence[Snapshot]
# Complete rows of each window, in all and for each column, from which on counts leave others out.
_LEAST_COUNTED, _COUNTED_PER_COLUMN = 200, 20

_NUMBERS = frozenset({ColumnKind.CONTINUOUS, ColumnKind.COUNT, ColumnKind.ORDINAL})
_NAMES = frozenset({ColumnKind.CATEGORICAL, ColumnKind.BINARY})
_EBIC_GAMMA = 1.0  # every number of parents as likely beforehand; right for columns > rows too
# The screen for plain BIC: what linear-normal data hardly ever exceed. BIC is right for any noise
# when the rows are many; it is power and direction that bends and outliers cost.
_MOST_SKEWNESS = 0.5
_MOST_KURTOSIS = 1.0
_STANDARD_ERRORS = 4.0
_SCREEN_LEVEL = 1e-3


@dataclass(frozen=True, slots=True)
class Row:
    """One score: its name, how it is built, the kinds of column it serves, and its paper."""

    name: str
    build: Callable[[Windows, tuple[str, ...], float], Score]
    kinds: frozenset[ColumnKind]
    paper: str


# ---- builders ---------------------------------------------------------------------------------
def _bic(windows: Windows, names: tuple[str, ...], penalty: float) -> Score:
    if len(windows) > 1:  # a changed mechanism is paid for, which one correlation matrix hides
        return _environment(windows, names, penalty, plain_features)
    correlation, rows = _correlation(windows[0], names)
    return gaussian_score("bic", correlation, rows, names, penalty=penalty)


def _ebic(windows: Windows, names: tuple[str, ...], penalty: float) -> Score:
    if len(windows) > 1:
        return _environment(windows, names, penalty, plain_features, gamma=_EBIC_GAMMA)
    correlation, rows = _correlation(windows[0], names)
    return gaussian_score("ebic", correlation, rows, names, penalty=penalty)


def gaussian_score(
    name: str, correlation: FloatArray, rows: float, names: tuple[str, ...], *, penalty: float = 1.0
) -> GaussianScore:
    """Return ``bic`` or ``ebic`` of columns of numbers, from their correlations; no rows needed."""
    gamma = {"bic": 0.0, "ebic": _EBIC_GAMMA}[name]
    return GaussianScore(correlation, rows, names, penalty=penalty, gamma=gamma)


def _bdeu(windows: Windows, names: tuple[str, ...], penalty: float) -> Score:
    values = np.concatenate([w.columns(names) for w in windows])
    bounds = _bounds(windows)
    complete = np.isfinite(values).all(axis=1)
    counted = np.concatenate([[0], np.cumsum(complete)])[bounds]
    enough = max(_LEAST_COUNTED, _COUNTED_PER_COLUMN * len(names))
    if complete.mean() >= LEAST_COMPLETE or np.diff(counted).min() >= enough:
        bounds = counted
        values = values[complete]
    codes = np.empty(values.shape, dtype=np.int64)
    for place in range(len(names)):  # where many values are missing, missing is a level
        filled = np.where(np.isfinite(values[:, place]), values[:, place], -1.0)
        codes[:, place] = np.unique(filled, return_inverse=True)[1]
    return BDeu(codes, bounds, names, penalty=penalty)


def _mixed(windows: Windows, names: tuple[str, ...], penalty: float) -> Score:
    return _environment(windows, names, penalty, plain_features)


def _spline_ebic(windows: Windows, names: tuple[str, ...], penalty: float) -> Score:
    return _environment(windows, names, penalty, number_features, gamma=_EBIC_GAMMA)


def _spline_bic(windows: Windows, names: tuple[str, ...], penalty: float) -> Score:
    return _environment(windows, names, penalty, number_features)


# Of the two usual mixed scores the degenerate Gaussian is taken, not the conditional Gaussian: it
# comes from moments alone, it is the same in all graphs of an equivalence class, and it needs no
# rule for a category caused by a number (Andrews, Ramsey & Cooper 2019 find it as accurate).
_SCORES: Final = {
    row.name: row
    for row in (
        Row("bic", _bic, _NUMBERS, "Schwarz 1978"),
        Row("ebic", _ebic, _NUMBERS, "Chen & Chen 2008"),
        Row("bdeu", _bdeu, _NAMES | {ColumnKind.ORDINAL}, "Heckerman et al. 1995"),
        Row("mixed", _mixed, _NUMBERS | _NAMES, "Andrews et al. 2019"),
        Row("spline_bic", _spline_bic, _NUMBERS | _NAMES, "Schwarz 1978"),
        Row("spline_ebic", _spline_ebic, _NUMBERS | _NAMES, "Chen & Chen 2008"),
    )
}


def rows() -> tuple[Row, ...]:
    """Return all scores, for help texts and the common test suite."""
    return tuple(_SCORES.values())


def known_scores() -> tuple[str, ...]:
    """Return the names that `score_named` knows, ``auto`` first."""
    return ("auto", *_SCORES)


def score_named(
    name: str, windows: Windows, names: tuple[str, ...], *, penalty: float = 1.0
) -> tuple[Score, Note]:
    """Build a score over some columns of one or several windows.

    Parameters
    ----------
    name : str
        One of `known_scores`.
    windows : sequence of Snapshot
        One or more, with the same meaning of category codes.
    names : tuple of str
        Columns that vary; their positions are the numbers that the score takes.
    penalty : float
        Multiplies the price of a parameter.

    Returns
    -------
    score : Score
    note : Note
        Which score it is and why (code ``method_choice``).

    Raises
    ------
    OptionError
        If there is no such score, or it does not serve the kind of one of the columns.
    """
    reason = "as asked"
    if name == "auto":
        name, reason = choose_score(windows, names)
    if name not in _SCORES:
        raise unknown_name("score", name, known=known_scores(), where="score")
    row = _SCORES[name]
    for column in names:
        kind = windows[0].schema[column].kind
        if kind not in row.kinds:
            raise OptionError(
                f"score {name!r} does not serve column {column!r}, which is {kind}",
                where="score",
                remedy="Use 'mixed', 'spline_bic' or 'auto', or say what the column is with "
                "kinds={…}",
            )
    note = Note("method_choice", None, f"score {name}: {reason}")
    return row.build(windows, names, penalty), note


# ---- the choice -------------------------------------------------------------------------------
def choose_score(windows: Windows, names: tuple[str, ...]) -> tuple[str, str]:
    """Return the name of the score that suits the columns, and the reason in words."""
    kinds = {windows[0].schema[name].kind for name in names}
    values = np.concatenate([w.columns(names) for w in windows])
    complete = float(np.isfinite(values).all(axis=1).mean())
    if kinds <= _NAMES:
        if complete >= LEAST_COMPLETE:
            return "bdeu", "all columns are categories"
        return "spline_ebic", "all columns are categories, and many rows have missing values"
    if not kinds <= _NUMBERS:
        return "spline_ebic", "there are numbers and categories"
    if len(windows) > 1:
        return "spline_ebic", "with several windows, relations may bend where a window is shifted"
    if complete < LEAST_COMPLETE:
        return "spline_ebic", "many rows have missing values; ranks bear that better"
    values = values[np.isfinite(values).all(axis=1)]
    odd = _odd_column(values)
    if odd is not None:
        return "spline_ebic", f"all columns are numbers, and {names[odd]!r} is not normal"
    bent = _bent_pair(values)
    if bent is not None:
        a, b = names[bent[0]], names[bent[1]]
        return "spline_ebic", f"all columns are numbers, and {b!r} bends with {a!r}"
    return "ebic", "all columns are numbers, nearly normal, and related in straight lines"


def _odd_column(values: FloatArray) -> int | None:
    """Return a column whose skewness or kurtosis is not that of a normal one, or None."""
    z = _standardised(values)
    skewness, kurtosis = np.abs((z**3).mean(axis=0)), np.abs((z**4).mean(axis=0) - 3)
    rows = len(values)
    odd = (skewness > max(_MOST_SKEWNESS, _STANDARD_ERRORS * (6 / rows) ** 0.5)) | (
        kurtosis > max(_MOST_KURTOSIS, _STANDARD_ERRORS * (24 / rows) ** 0.5)
    )
    return int(odd.argmax()) if odd.any() else None


def _bent_pair(values: FloatArray) -> tuple[int, int] | None:
    """Return a pair of columns whose relation is not a straight line with even noise, or None.

    Where two columns are jointly normal, the Hermite polynomials He2 and He3 of one are
    uncorrelated with the other, and He2 of both correlate by the square of the correlation.
    """
    rows, count = values.shape
    z = _standardised(values)
    square, cube = z**2 - 1, z**3 - 3 * z
    square, cube = (h - h.mean(axis=0) for h in (square, cube))
    r = z.T @ z / rows
    bends = square.T @ z / rows / np.sqrt(2)
    waves = (cube.T @ z / rows) / np.sqrt(6)
    spreads = (square.T @ square / rows) / 2 - r**2
    # The largest standard error that each has under normality (at |r| = 1 for the last).
    worst = np.maximum(np.abs(bends), np.maximum(np.abs(waves), np.abs(spreads) / 2))
    np.fill_diagonal(worst, 0.0)
    limit = -float(ndtri(_SCREEN_LEVEL / (6 * max(1, count * (count - 1)))))
    a, b = np.unravel_index(int(worst.argmax()), worst.shape)
    return (int(a), int(b)) if worst[a, b] * np.sqrt(rows) > 2 * limit else None


def _standardised(values: FloatArray) -> FloatArray:
    centred = values - values[0]  # an offset of 1e9 costs no digits
    centred = centred - centred.mean(axis=0)
    spread = centred.std(axis=0)
    out: FloatArray = centred / np.where(spread > 0, spread, 1.0)
    return out


# ---- arrays -----------------------------------------------------------------------------------
def _bounds(windows: Windows) -> IntArray:
    return np.cumsum([0, *(len(w.sample) for w in windows)])


def _environment(
    windows: Windows,
    names: tuple[str, ...],
    penalty: float,
    of_number: Callable[[FloatArray], Features],
    gamma: float = 0.0,
) -> EnvironmentScore:
    features = []
    for name in names:
        values = np.concatenate([w.column(name) for w in windows])
        discrete = windows[0].schema[name].kind.is_discrete
        features.append(category_features(values) if discrete else of_number(values))
    return EnvironmentScore(features, _bounds(windows), names, penalty=penalty, gamma=gamma)


def _correlation(window: Snapshot, names: tuple[str, ...]) -> tuple[FloatArray, float]:
    """Return the correlations of numbers, and the rows that count for every pair of them."""
    values = window.columns(names)
    (gram,), rows = gram_matrices(values, _bounds([window]))
    covariance = gram[1:, 1:] - np.outer(gram[1:, 0], gram[0, 1:])
    scale = np.sqrt(np.maximum(np.diagonal(covariance), 1e-300))
    correlation = covariance / np.outer(scale, scale)
    # One number for all columns, so that the score is the same in equivalent graphs.
    dependence = Dependence([values[:, [place]] for place in range(len(names))])
    x, y = np.triu_indices(len(names), 1)
    shares = dependence.shares(x, y, np.empty((len(x), 0), dtype=np.int64))
    return correlation, float(rows[0] * shares.min(initial=1.0))
