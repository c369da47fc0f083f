"""Effects of exposures in a network whose randomisation is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.errors import OptionError, SchemaError, TooFewRows
from whydrift.effects.check import Check
from whydrift.effects.interference.contrasts import Contrast
from whydrift.effects.interference.doubt import spill_check
from whydrift.effects.interference.joint_chances import JointChances
from whydrift.effects.question import Question
from whydrift.effects.table import Table
from whydrift.effects.words import percent

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "EXPOSURES", "ExposureEffects", "Network", "draw_exposures", "exposure_contrasts",
    "network_exposure", "overlap_check",
]  # fmt: skip

EXPOSURES = ("neither", "neighbour only", "own only", "both")
"""By own treatment, and whether enough neighbours were treated (Aronow & Samii 2017, section 3)."""

_RARE_WARN, _RARE_FAIL = 0.05, 0.5  # of the rows, whose exposure can hardly happen
_RARE = 0.01
_LEAST = 10


@dataclass(frozen=True)
class Network:
    """Who touches whom, and who is drawn with whom.

    Parameters
    ----------
    links : ndarray of int, shape (n_links, 2)
        The second row of each touches the first.
    drawn : ndarray of int, shape (n_rows,)
        Rows of one number share one toss of the coin; codes from 0.
    least : float
        Treated neighbours that count as exposure: a number from 1 on, or below 1 a share of them.
    """

    links: IntArray
    drawn: IntArray
    least: float = 1.0

    @property
    def rows(self) -> int:
        """Rows of the network."""
        return len(self.drawn)

    @property
    def neighbours(self) -> IntArray:
        """Number of neighbours of each row."""
        return np.bincount(self.links[:, 0], minlength=self.rows)

    def exposure(self, treated: BoolArray) -> NDArray[np.int8]:
        """Return the exposure of each row, as its place in ``EXPOSURES``."""
        touching = self.links[treated[self.links[:, 1]], 0]
        count = np.bincount(touching, minlength=self.rows)
        needed = self.least if self.least >= 1 else self.least * self.neighbours
        touched = (count > 0) & (count >= needed)
        return (2 * treated + touched).astype(np.int8)

    def related(self) -> tuple[IntArray, IntArray]:
        """Return the pairs of rows, each with itself too, whose exposures hang on one toss."""
        from scipy import sparse

        rows = np.concatenate([np.arange(self.rows), self.links[:, 0]])
        tosses = self.drawn[np.concatenate([np.arange(self.rows), self.links[:, 1]])]
        shape = (self.rows, int(self.drawn.max()) + 1)
        hangs = sparse.csr_array((np.ones(len(rows), dtype=np.int32), (rows, tosses)), shape=shape)
        pairs = (hangs @ hangs.T).tocoo()
        return pairs.row.astype(np.int64), pairs.col.astype(np.int64)


def draw_exposures(
    network: Network, chance: FloatArray, draws: int, generator: np.random.Generator
) -> NDArray[np.int8]:
    """Draw the randomisation again and again; return exposures, shape (n_draws, n_rows).

    Parameters
    ----------
    network : Network
    chance : ndarray of shape (n_tosses,)
        Of each toss to treat.
    draws : int
    generator : Generator
    """
    return np.stack(
        [
            network.exposure((generator.random(len(chance)) < chance)[network.drawn])
            for _ in range(draws)
        ]
    )


def exposure_contrasts(
    network: Network,
    treated: BoolArray,
    outcome: FloatArray,
    seen: NDArray[np.int8],
    *,
    hajek: bool = True,
    conservative: bool = True,
) -> tuple[dict[str, Contrast], float]:
    """Return the effect of each exposure against ``neither``, and the share of rows left out.

    Rows are weighted by the inverse chance of the exposure they had; rows that could hardly have
    some exposure are left out. The conservative variance takes the joint chances of pairs into
    account, and puts what no draw can show (a row under two exposures, pairs that exclude each
    other) at its worst, so that it is mostly too large. The other adds up products of what rows
    add to the error, over pairs that hang on one toss: it is about right in large networks.

    Parameters
    ----------
    network : Network
    treated : ndarray of bool, shape (n_rows,)
    outcome : ndarray of shape (n_rows,)
    seen : ndarray of shape (n_draws, n_rows)
        Exposures under draws of the randomisation.
    hajek : bool
        Whether weights are made to add up to one; Horvitz and Thompson's do so on average only.
    conservative : bool
        Which of both variances.

    Raises
    ------
    TooFewRows
        If an exposure is found in fewer than two rows that could have had each.

    References
    ----------
    Aronow & Samii (2017), Estimating average causal effects under general interference, with
    application to a social network experiment, Annals of Applied Statistics 11, 1912-1947.
    Leung (2022), Causal inference under approximate neighborhood interference, Econometrica 90,
    267-293.
    """
    mine = network.exposure(treated)
    kinds = range(len(EXPOSURES))
    chance = np.stack([(seen == e).mean(axis=0) for e in kinds])  # (n_exposures, n_rows)
    able: BoolArray = chance.min(axis=0) >= _RARE
    if able.sum() < _LEAST or any((mine[able] == e).sum() < 2 for e in kinds):
        raise TooFewRows(
            "some exposure is found in fewer than two rows that could have had each of them",
            where="network_exposure",
            remedy="With links so dense or so few there is no such comparison: compare whole "
            "clusters, with cluster=",
        )
    related = network.related()
    means, parts, scores, mass = [], [], [], []
    for e in kinds:
        weight = np.where(able & (mine == e), 1 / np.maximum(chance[e], _RARE), 0.0)
        total = float(weight.sum()) if hajek else float(able.sum())
        mean = float(weight @ outcome) / total
        means.append(mean)
        mass.append(total)
        # What is weighted: deviations where the weights add up to one, by linearisation.
        scores.append(np.where(weight > 0, outcome - (mean if hajek else 0.0), 0.0))
        parts.append(weight * scores[e] / total - (0.0 if hajek else able * mean / total))
    joint = JointChances.build(related, able, seen, len(EXPOSURES)) if conservative else None
    found = {}
    for e in kinds[1:]:
        if joint is None:
            off = parts[e] - parts[0]
            variance = max(float(off[related[0]] @ off[related[1]]), float(off @ off))
        else:
            variance = max(
                joint.covariance(e, e, scores, mine, chance) / mass[e] ** 2
                + joint.covariance(0, 0, scores, mine, chance) / mass[0] ** 2
                - 2 * joint.covariance(e, 0, scores, mine, chance) / (mass[e] * mass[0]),
                0.0,
            )
        rows = int((able & (mine == e)).sum())
        found[EXPOSURES[e]] = Contrast(means[e] - means[0], float(np.sqrt(variance)), rows=rows)
    return found, float(1 - able.mean())


def overlap_check(left_out: float) -> Check:
    """Judge the share of rows that could hardly have some exposure."""
    return Check.at_most(
        "exposure_overlap",
        left_out,
        f"{percent(left_out)} of the rows can hardly have some exposure (such as those "
        "without a neighbour), and are left out",
        warn=_RARE_WARN,
        fail=_RARE_FAIL,
    )


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
    draws: int = 2000,
    level: float = 0.95,
    random_state: int = 0,
) -> ExposureEffects:
    """Compare outcomes by exposure where each row was treated by its own toss of a coin.

    The same from a table, with an Effect as the answer, is ``estimate(method="network_exposure")``.

    Parameters
    ----------
    treated : sequence of 0 and 1, of length n_rows
    outcome : sequence of float, of length n_rows
    links : pairs of row numbers, from 0
        Either row touches the other.
    share : float
        The chance with which each row was treated.
    draws : int
        Draws of the randomisation, by which the chance of each exposure is found.
    level : float
    random_state : int

    Raises
    ------
    SchemaError, OptionError, TooFewRows
        If something does not fit, or exposures cannot be compared; see `exposure_contrasts`.
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
    network = Network(np.unique(np.vstack([pairs, pairs[:, ::-1]]), axis=0), np.arange(rows))
    seen = draw_exposures(network, np.full(rows, share), draws, np.random.default_rng(random_state))
    found, left_out = exposure_contrasts(network, own == 1, values, seen)
    question = Question("indirect", level)
    lines = tuple(
        (name, each.rows, each.value, each.error, *each.ends(question))
        for name, each in found.items()
    )
    return ExposureEffects(
        Table(
            "Effects of exposures, against neither",
            ("exposure", "rows", "effect", "standard error", "low", "high"),
            lines,
        ),
        (
            overlap_check(left_out),
            spill_check("a treated neighbour alone", found["neighbour only"], question),
        ),
    )
