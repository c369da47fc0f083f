"""Effects of exposures in a network whose randomisation is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import norm

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.errors import OptionError, SchemaError, TooFewRows
from whydrift.effects.check import Check
from whydrift.effects.table import Table
from whydrift.effects.words import number_text, percent

__all__ = ["EXPOSURES", "ExposureEffects", "network_exposure"]

EXPOSURES = ("neither", "neighbour only", "own only", "both")
"""By own treatment, and whether a neighbour was treated (Aronow & Samii 2017, section 3)."""

_RARE_WARN, _RARE_FAIL = 0.05, 0.5  # of the rows, whose exposure can hardly happen
_RARE = 0.01
_LEAST = 10


@dataclass(frozen=True)
class ExposureEffects:
    """Mean outcomes under each exposure, against none.

    Parameters
    ----------
    table : Table
        A row for each exposure: its rows, effect against ``neither``, standard error, interval.
    checks : tuple of Check
        ``exposure_overlap``: rows that can hardly have some exposure are left out;
        ``interference``: whether neighbours' treatment alone seems to move the outcome.
    """

    table: Table
    checks: tuple[Check, ...]

    def effect(self, exposure: str) -> tuple[float, float, float]:
        """Return effect, low and high of an exposure against ``neither``."""
        place = self.table["exposure"].index(exposure)
        row = dict(zip(self.table.columns, self.table.rows[place], strict=True))
        value, low, high = (float(row[name] or 0.0) for name in ("effect", "low", "high"))
        return value, low, high


def network_exposure(
    treated: Any,
    outcome: Any,
    links: Iterable[tuple[int, int]],
    *,
    share: float,
    draws: int = 1000,
    level: float = 0.95,
    random_state: int = 0,
) -> ExposureEffects:
    """Compare outcomes by exposure where each row was treated by its own toss of a coin.

    The chance of each exposure is found by drawing the randomisation again; rows are weighted by
    its inverse, and weights add up to one (Hájek). The variance takes the joint chances of pairs
    into account, and what no row shows (its outcome under two exposures) at its worst, so that
    intervals are rather too long.

    Parameters
    ----------
    treated : sequence of 0 and 1, of length n_rows
    outcome : sequence of float, of length n_rows
    links : pairs of row numbers, from 0
        Either row touches the other.
    share : float
        The chance with which each row was treated.
    draws : int
    level : float
    random_state : int

    References
    ----------
    Aronow & Samii (2017), Estimating average causal effects under general interference, with
    application to a social network experiment.
    """
    own = np.asarray(treated, dtype=np.float64)
    values = np.asarray(outcome, dtype=np.float64)
    if own.shape != values.shape or not np.isin(own, (0.0, 1.0)).all():
        raise SchemaError(
            "treated is not one 0 or 1 for each outcome",
            where="network_exposure",
            remedy="Give two columns of one length, the first of 0 and 1",
        )
    if not np.isfinite(values).all():
        raise SchemaError(
            "outcomes are missing", where="network_exposure", remedy="Leave these rows out"
        )
    if not 0 < share < 1:
        raise OptionError(f"{share!r} is no chance", where="share", remedy="Give one in (0, 1)")
    rows = len(own)
    pairs = np.array(list(links), dtype=np.int64).reshape(-1, 2)
    if pairs.size and (pairs.min() < 0 or pairs.max() >= rows):
        raise SchemaError(
            f"a link names row {int(pairs.max())} of {rows}",
            where="links",
            remedy="Number the rows from 0",
        )
    generator = np.random.default_rng(random_state)
    seen = np.stack(
        [_exposure(generator.random(rows) < share, pairs) for _ in range(draws)]
    )  # (draws, n_rows)
    mine = _exposure(own == 1, pairs)
    chance = np.stack([(seen == e).mean(axis=0) for e in range(len(EXPOSURES))])
    able: BoolArray = chance.min(axis=0) >= _RARE
    if able.sum() < _LEAST or any((mine[able] == e).sum() < 2 for e in range(len(EXPOSURES))):
        raise TooFewRows(
            "some exposure is found in fewer than two rows that could have had each of them",
            where="network_exposure",
            remedy="With links so dense or so few there is no such comparison: compare whole "
            "clusters, with cluster=",
        )
    parts = [_hajek(values[able], mine[able] == e, seen[:, able] == e) for e in range(4)]
    reach = float(norm.isf((1 - level) / 2))
    base, base_scores = parts[0]
    found: list[tuple[str, int, float, float, float, float]] = []
    for e in range(1, 4):
        mean, scores = parts[e]
        value = mean - base
        error = float(np.sqrt(_bound(scores) + _bound(base_scores)))
        found.append(
            (EXPOSURES[e], int((mine[able] == e).sum()), value, error,
             value - reach * error, value + reach * error)
        )  # fmt: skip
    left_out = float(1 - able.mean())
    spill = found[0]
    p_value = float(2 * norm.sf(abs(spill[2]) / spill[3])) if spill[3] > 0 else 1.0
    told = (
        f"a treated neighbour alone moves the outcome by {number_text(spill[2], signed=True)} "
        f"(p = {p_value:.2g})"
    )
    told += ": an analysis without interference is in doubt" if p_value < 1 - level else ""
    return ExposureEffects(
        Table(
            "Effects of exposures, against neither",
            ("exposure", "rows", "effect", "standard error", "low", "high"),
            tuple(found),
        ),
        (
            Check.at_most(
                "exposure_overlap",
                left_out,
                f"{percent(left_out)} of the rows can hardly have some exposure (such as those "
                "without a neighbour), and are left out",
                warn=_RARE_WARN,
                fail=_RARE_FAIL,
            ),
            Check.at_least("interference", p_value, told, warn=1 - level),
        ),
    )


def _exposure(treated: BoolArray, pairs: IntArray) -> IntArray:
    """Return the exposure of each row, as its place in ``EXPOSURES``."""
    touched = np.zeros(len(treated), dtype=bool)
    touched[pairs[treated[pairs[:, 1]], 0]] = True
    touched[pairs[treated[pairs[:, 0]], 1]] = True
    return 2 * treated.astype(np.int64) + touched.astype(np.int64)


def _hajek(
    values: FloatArray, has: BoolArray, could: BoolArray
) -> tuple[float, tuple[FloatArray, BoolArray]]:
    """Return the weighted mean, and what its variance is made of."""
    chance = could.mean(axis=0)
    weight = has / chance
    mean = float((weight * values).sum() / weight.sum())
    return mean, (np.where(has, (values - mean) / chance, 0.0) / weight.sum(), could)


def _bound(parts: tuple[FloatArray, BoolArray]) -> float:
    """Return a variance such that the sum of two bounds that of their difference."""
    scores, could = parts
    held = could[:, scores != 0].astype(np.float64)
    terms = scores[scores != 0]
    joint = held.T @ held / len(held)
    single = np.diag(joint)
    ratio = np.where(joint > 0, (joint - np.outer(single, single)) / np.maximum(joint, 1e-12), 0.0)
    # No row shows two exposures: their product is put at its worst (Neyman's bound).
    np.fill_diagonal(ratio, 1.0)
    # As draws blur the joint chances, never less than for rows that are independent.
    return max(float(terms @ ratio @ terms), float(terms @ terms))
