"""Attribution of an outlier: whose noise made a row odd."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.errors import SchemaError, unknown_name
from whydrift.effects.check import Check
from whydrift.effects.columns import numbers, require
from whydrift.effects.frame import as_table
from whydrift.effects.structural.model import StructuralModel
from whydrift.effects.table import Table

__all__ = ["OutlierAttribution", "attribute_outlier"]

_DRAWS, _EXACT, _ORDERS = 2000, 6, 100
_ODD = math.log(20)  # a score that one row of twenty reaches is nothing to explain


@dataclass(frozen=True)
class OutlierAttribution:
    """How much of a row's oddity comes from the noise of each cause.

    Parameters
    ----------
    target : str
    score : float
        −log of the chance of a row at least as odd, in nats.
    contributions : mapping of str to float
        Of the target and its causes; they add up to the score.
    checks : tuple of Check
    """

    target: str
    score: float
    contributions: Mapping[str, float]
    checks: tuple[Check, ...]

    @property
    def ranking(self) -> tuple[str, ...]:
        """The columns, the largest contribution first."""
        return tuple(sorted(self.contributions, key=lambda name: -self.contributions[name]))

    def table(self) -> Table:
        """Return the contributions, the largest first."""
        rows = tuple((name, self.contributions[name]) for name in self.ranking)
        return Table(f"What made {self.target} odd, in nats", ("noise of", "contribution"), rows)


def attribute_outlier(
    model: StructuralModel, row: Any, target: str, *, draws: int = _DRAWS, random_state: int = 0
) -> OutlierAttribution:
    """Share out the oddity of one row's target among the noises behind it.

    Oddity is the distance from the median, as a chance: −log P(as far or farther). A set of noises
    is worth what drops of it when they are drawn anew; the Shapley value shares that out (exactly
    for up to six columns, else by 100 random orders).

    Parameters
    ----------
    model : StructuralModel
    row : frame, pyarrow.Table or mapping of str to columns
        One row.
    target : str
    draws : int
        Of the noise, from the rows that the model was fitted on.
    random_state : int

    References
    ----------
    Budhathoki, Minorics, Blöbaum & Janzing (2022), Causal structure-based root cause analysis of
    outliers.
    """
    if target not in model.graph.nodes:
        raise unknown_name("column", target, known=model.graph.nodes, where="target")
    table, _ = as_table(row)
    if table.num_rows != 1:
        raise SchemaError(f"{table.num_rows} rows", where="row", remedy="Give one row")
    own = {n: numbers(table, require(table, n, "row"), "row") for n in model.graph.nodes}
    if not np.isfinite([float(v[0]) for v in own.values()]).all():
        raise SchemaError("the row has gaps", where="row", remedy="Give a row without gaps")
    fixed = {name: float(noise[0]) for name, noise in model.abduct(own).items()}
    above = {target, *model.graph.ancestors(target)}
    players = [name for name in model.graph.topological_order() if name in above]
    generator = np.random.default_rng(random_state)
    drawn = {n: generator.choice(model.noise[n], draws) for n in model.graph.nodes}
    centre = float(np.median(model.values[target]))
    oddity = abs(float(own[target][0]) - centre)
    known: dict[frozenset[str], float] = {}

    def worth(anew: frozenset[str]) -> float:
        """Return log P(as odd), with these noises drawn anew and the others the row's own."""
        if anew not in known:
            noise = {n: drawn[n] if n in anew else np.full(draws, fixed.get(n, 0.0)) for n in drawn}
            made: FloatArray = model.generate(noise, {})[target]
            # What rounding leaves of the row itself is as odd as the row.
            odd = np.abs(made - centre) >= oddity * (1 - 1e-9) - 1e-12
            known[anew] = math.log((float(odd.sum()) + 0.5) / (draws + 0.5))
        return known[anew]

    shares = dict.fromkeys(players, 0.0)
    for order, weight in _orders(players, generator):
        anew: frozenset[str] = frozenset()
        for name in order:
            more = anew | {name}
            shares[name] += weight * (worth(anew) - worth(more))
            anew = more
    score = worth(frozenset()) - worth(frozenset(players))
    said = f"one row in {math.exp(score):,.0f} is as far from the usual {target}" + (
        "" if score >= _ODD else ": there is little to explain"
    )
    check = Check.at_least("odd", score, said, warn=_ODD)
    return OutlierAttribution(target, score, shares, (check, *model.checks))


def _orders(
    players: list[str], generator: np.random.Generator
) -> list[tuple[tuple[str, ...], float]]:
    from itertools import permutations

    if len(players) <= _EXACT:
        every = list(permutations(players))
        return [(order, 1 / len(every)) for order in every]
    drawn = [tuple(players[i] for i in generator.permutation(len(players))) for _ in range(_ORDERS)]
    return [(order, 1 / _ORDERS) for order in drawn]
