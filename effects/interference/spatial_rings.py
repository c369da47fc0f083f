"""Sites in space: what treating a site does at each distance from it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.errors import OptionError, SchemaError, TooFewRows
from whydrift.effects.chart import Chart, Rule, Series
from whydrift.effects.check import Check
from whydrift.effects.effect import Effect
from whydrift.effects.estimand import CONSISTENCY, Estimand
from whydrift.effects.influence import cluster_check
from whydrift.effects.interference.contrasts import Contrast, contrast_table
from whydrift.effects.interference.doubt import spill_check
from whydrift.effects.multiple import holm
from whydrift.effects.panel.absorber import Absorber, slopes
from whydrift.effects.question import Question
from whydrift.effects.study import Study
from whydrift.effects.words import percent

__all__ = ["SpatialRings"]

_EARTH_KM = 6371.0088
_FEW_SITES, _TOO_FEW_SITES = 20, 5  # of one arm
_EMPTY_WARN, _EMPTY_FAIL = 0.2, 0.8  # of the sites, with nobody in the ring asked for
_NEAR_WARN, _NEAR_FAIL = 0.1, 0.5  # of the pairs of sites, closer than the cutoff
_LEAST_APART = 0.1
_AT = "at the site"


@dataclass(frozen=True)
class SpatialRings:
    """Rings around treated sites against the same rings around sites left alone.

    A row is a place with an outcome, and may be treated itself. For each ring the mean outcome of
    the rows in it is taken around every site, and treated sites are compared with the others, so
    that a dense area does not pass for an effect. Other sites stay as they were treated.

    Parameters
    ----------
    place : tuple of two str
        Columns of both coordinates; latitude and longitude in degrees with ``earth``.
    rings : tuple of float
        Outer edges of the rings, in the units of the coordinates, or in kilometres with ``earth``.
    ring : int
        The ring whose effect is the answer, from 1; 0 is the site itself. All are in the details.
    sites : str, optional
        Column of 0 and 1: the rows that could have been treated; by default all.
    earth : bool
        Whether ``place`` is latitude and longitude.
    cutoff : float, optional
        Up to which distance sites' errors go together (Conley); by default the outer edge of the
        ring and that of the last one together. With ``cluster``, errors go by cluster instead.

    References
    ----------
    Aronow, Samii & Wang (2020), Design-based inference for spatial experiments with interference.
    Conley (1999), GMM estimation with cross sectional dependence.
    """

    place: str | tuple[str, ...]
    rings: tuple[float, ...]
    ring: int = 1
    sites: str | None = None
    earth: bool = False
    cutoff: float | None = None

    def estimate(self, study: Study, question: Question) -> Effect:
        """Return the effect; see `Method`."""
        edges = self._edges()
        points, site = self._points(study), self._sites(study)
        means, empty = _ring_means(points, study.outcome, site, [self._chord(e) for e in edges])
        near = [_pairs_within(points[site], self._chord(reach)) for reach in self._reaches(edges)]
        names = (
            _AT,
            *(f"{low:g} to {high:g}" for low, high in zip((0, *edges), edges, strict=False)),
        )
        found: dict[str, Contrast | None] = {
            name: _site_slope(study, site, means[:, r], near[r]) for r, name in enumerate(names)
        }
        asked = found[names[self.ring]]
        if asked is None:
            raise TooFewRows(
                f"too few sites of both arms have rows in ring {names[self.ring]}",
                where="spatial_rings",
                remedy="Ask for wider rings, or another one",
            )
        outcome, units = study.roles.outcome, " km" if self.earth else ""
        where = _AT if self.ring == 0 else f"at {names[self.ring]}{units} from it"
        return question.answer(
            study,
            Estimand(
                "ring",
                f"average change of {outcome} {where} by {study.treatment.contrast} of a site, "
                "other sites as they were treated",
                "E[mean Y in ring(i, d) | A_i = 1] − E[… | A_i = 0]",
            ),
            method="spatial_rings",
            value=asked.value,
            standard_error=asked.error,
            freedom=asked.freedom,
            assumptions=(self._drawn_words(study), CONSISTENCY),
            checks=(
                *_count_checks(study, site, near[self.ring], empty[self.ring], names[self.ring]),
                *_doubt(found, question),
            ),
            details={"rings": contrast_table("By distance from the site", found, question, "ring")},
            charts=(_chart(found, edges, question, outcome, units),),
        )

    def _drawn_words(self, study: Study) -> str:
        given = ", given the columns adjusted for" if len(study.covariates) else ""
        return f"Which sites were treated was decided as if at random{given}"

    # ---- reading ------------------------------------------------------------------------------
    def _edges(self) -> tuple[float, ...]:
        given = self.rings if isinstance(self.rings, tuple) else (self.rings,)
        fits = given and all(
            isinstance(edge, (int, float)) and not isinstance(edge, bool) and 0 < edge < math.inf
            for edge in given
        )
        if not fits or sorted(set(given)) != list(given):
            raise OptionError(
                f"{self.rings!r} are no edges of rings",
                where="spatial_rings, rings",
                remedy="Give positive distances in rising order, such as [1, 2, 5]",
            )
        whole = isinstance(self.ring, int) and not isinstance(self.ring, bool)
        if not whole or not 0 <= self.ring <= len(given):
            raise OptionError(
                f"there is no ring {self.ring!r}",
                where="spatial_rings, ring",
                remedy=f"Give 0 for the site itself, or 1 to {len(given)}",
            )
        return tuple(float(edge) for edge in given)

    def _reaches(self, edges: tuple[float, ...]) -> list[float]:
        """Return how far apart two sites are at most whose errors go together, for each ring."""
        if self.cutoff is None:
            # A site moves what is measured around another up to here, if it reaches to the last.
            return [edges[-1], *(edge + edges[-1] for edge in edges)]
        if not isinstance(self.cutoff, (int, float)) or not 0 <= self.cutoff < math.inf:
            raise OptionError(
                f"{self.cutoff!r} is no distance",
                where="spatial_rings, cutoff",
                remedy="Give a number from 0 on",
            )
        return [float(self.cutoff)] * (len(edges) + 1)

    def _points(self, study: Study) -> FloatArray:
        """Return where the rows are; on the earth as points of a ball, in kilometres."""
        if isinstance(self.place, str) or len(self.place) != 2:
            raise OptionError(
                f"{self.place!r} are not two columns",
                where="spatial_rings, place",
                remedy='Name both coordinates, as in --option \'place=["x", "y"]\'',
            )
        one, other = (study.numbers(name, "place") for name in self.place)
        if not self.earth:
            return np.column_stack([one, other])
        if np.abs(one).max() > 90:
            raise SchemaError(
                f"{self.place[0]!r} goes beyond 90 degrees",
                where="place",
                remedy="Name latitude first, then longitude",
            )
        high, round_ = np.radians(one), np.radians(other)
        flat = np.cos(high)
        return _EARTH_KM * np.column_stack(
            [flat * np.cos(round_), flat * np.sin(round_), np.sin(high)]
        )

    def _chord(self, distance: float) -> float:
        """Return a distance along the ground as one straight through the ball."""
        if not self.earth:
            return distance
        return 2 * _EARTH_KM * math.sin(min(distance / _EARTH_KM, math.pi) / 2)

    def _sites(self, study: Study) -> IntArray:
        if self.sites is None:
            return np.arange(study.n)
        marks = study.numbers(self.sites, "sites")
        if not np.isin(marks, (0.0, 1.0)).all():
            raise SchemaError(
                f"{self.sites!r} holds other than 0 and 1",
                where="sites",
                remedy="Mark with 1 the rows that could have been treated",
            )
        if study.treatment.is_treated[marks == 0].any():
            raise SchemaError(
                f"rows are treated that {self.sites!r} says could not have been",
                where="sites",
                remedy="Mark every treated row as a site",
            )
        return np.flatnonzero(marks == 1)


# ---- measuring --------------------------------------------------------------------------------
def _ring_means(
    points: FloatArray, outcome: FloatArray, site: IntArray, edges: list[float]
) -> tuple[FloatArray, FloatArray]:
    """Return mean outcomes around sites, shape (n_sites, 1 + n_rings), and the share without any.

    The first column is the site's own outcome.
    """
    from scipy.spatial import KDTree

    everybody = KDTree(points)
    inside_sums = [np.zeros(len(site))]
    inside_rows = [np.zeros(len(site))]
    for edge in edges:
        found = cast("list[list[int]]", everybody.query_ball_point(points[site], edge))
        counts = np.array([len(each) for each in found])
        flat = np.concatenate([np.asarray(each, dtype=np.int64) for each in found])
        owner = np.repeat(np.arange(len(site)), counts)
        sums = np.bincount(owner, outcome[flat], len(site)) - outcome[site]  # not the site itself
        inside_sums.append(sums)
        inside_rows.append(counts - 1.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        rings = np.diff(np.array(inside_sums), axis=0) / np.diff(np.array(inside_rows), axis=0)
    means = np.column_stack([outcome[site], rings.T])
    means[~np.isfinite(means)] = np.nan
    return means, np.isnan(means).mean(axis=0)


def _pairs_within(points: FloatArray, distance: float) -> IntArray:
    """Return the pairs of sites that close to each other, each once, shape (n_pairs, 2)."""
    from scipy.spatial import KDTree

    found: IntArray = KDTree(points).query_pairs(distance, output_type="ndarray").astype(np.int64)
    return found.reshape(-1, 2)


def _site_slope(
    study: Study, site: IntArray, around: FloatArray, near: IntArray
) -> Contrast | None:
    """Return treated sites' mean around them less others', with errors that go by place."""
    kept = ~np.isnan(around)
    treated = study.treatment.values[site]
    if min((kept & (treated == side)).sum() for side in (0, 1)) < _TOO_FEW_SITES:
        return None
    rows = site[kept]
    absorber = Absorber.build(study.covariates.standardised[rows])
    cluster = None
    if study.cluster is not None:
        cluster = np.unique(study.cluster[rows], return_inverse=True)[1]
    fit = slopes(absorber, treated[kept][:, None], around[kept], cluster=cluster, robust=True)
    value, error, freedom = float(fit.values[0]), float(fit.errors[0]), fit.freedom
    if cluster is None:
        error, areas = _conley(fit.columns[:, 0], fit.outcome, value, error, kept, near)
        freedom = min(freedom, max(areas - 1, 1.0))
    return Contrast(value, error, freedom, int(kept.sum()))


def _conley(
    column: FloatArray, outcome: FloatArray, value: float, alone: float, kept: BoolArray,
    near: IntArray,
) -> tuple[float, float]:  # fmt: skip
    """Return the standard error where sites near each other err together, and how many areas.

    Areas are the inverse of the share of pairs that are near. The error is never less than
    where each errs alone: sites that err against each other could make it vanish.
    """
    place = np.full(len(kept), -1, dtype=np.int64)
    place[kept] = np.arange(int(kept.sum()))
    pairs = place[near]
    pairs = pairs[(pairs >= 0).all(axis=1)]
    scores = column * (outcome - column * value)
    shared = 2 * float(scores[pairs[:, 0]] @ scores[pairs[:, 1]])
    mass, count = float(column @ column), len(column)
    # Scores add up to nothing, so that near ones seem to go against each other a little.
    near_share = (count + 2 * len(pairs)) / count**2
    grown = 1 / max(1 - near_share, _LEAST_APART)
    return math.sqrt(max((alone**2 + shared / mass**2) * grown, alone**2)), 1 / near_share


# ---- judging and telling ----------------------------------------------------------------------
def _count_checks(
    study: Study, site: IntArray, near: IntArray, empty: float, ring: str
) -> tuple[Check, ...]:
    treated = int(study.treatment.values[site].sum())
    fewest = min(treated, len(site) - treated)
    said = f"{treated} treated sites, {len(site) - treated} left alone"
    checks = [
        Check.at_least("sites", fewest, said, warn=_FEW_SITES, fail=_TOO_FEW_SITES),
        Check.at_most(
            "empty_rings",
            float(empty),
            f"around {percent(float(empty))} of the sites nobody is in the ring {ring}; these "
            "sites are left out",
            warn=_EMPTY_WARN,
            fail=_EMPTY_FAIL,
        ),
    ]
    if study.cluster is not None:
        return (*checks, *cluster_check(study.cluster))
    share = 2 * len(near) / max(len(site) * (len(site) - 1), 1)
    said = f"{percent(share)} of the pairs of sites are closer than the cutoff of the errors"
    if share > _NEAR_WARN:
        said += ": few areas are independent of each other, and intervals are too short"
    checks.append(Check.at_most("areas_apart", share, said, warn=_NEAR_WARN, fail=_NEAR_FAIL))
    return tuple(checks)


def _doubt(found: dict[str, Contrast | None], question: Question) -> tuple[Check, ...]:
    """Judge whether any ring is moved, by the most telling, corrected for their number."""
    rings = {name: each for name, each in found.items() if name != _AT and each is not None}
    if not rings:
        return ()
    adjusted = holm([each.p_value for each in rings.values()])
    best = int(np.argmin(adjusted))
    name, each = list(rings.items())[best]
    check = spill_check(f"a treated site at {name}", each, question)
    p, limit = adjusted[best], 1 - question.level
    if p < limit or each.p_value >= limit:
        return (Check.at_least("interference", p, check.sentence, warn=limit),)
    said = f"of {len(rings)} rings together none is moved by more than chance (p = {p:.2g})"
    return (Check.at_least("interference", p, said, warn=limit),)


def _chart(
    found: dict[str, Contrast | None], edges: tuple[float, ...], question: Question, outcome: str,
    units: str,
) -> Chart:  # fmt: skip
    middles = [0.0, *((low + high) / 2 for low, high in zip((0.0, *edges), edges, strict=False))]
    there = [(x, each) for x, each in zip(middles, found.values(), strict=True) if each is not None]
    ends = [each.ends(question) for _, each in there]
    series = Series.of(
        "",
        [x for x, _ in there],
        [each.value for _, each in there],
        low=[low for low, _ in ends],
        high=[high for _, high in ends],
    )
    unit = f", {question.units}" if question.units else ""
    return Chart(
        "rings",
        f"Effect on {outcome} by distance from the site",
        f"distance from the site{units}",
        f"change of {outcome}{unit}",
        (series,),
        (Rule("y", 0.0, "no effect"),),
    )
