"""Two-stage experiments: groups are drawn into strategies, then rows within each group."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.errors import OptionError, SchemaError, TooFewRows, unknown_name
from whydrift.effects.check import Check
from whydrift.effects.effect import Effect
from whydrift.effects.estimand import CONSISTENCY, Estimand
from whydrift.effects.interference.contrasts import Contrast, contrast_chart, contrast_table
from whydrift.effects.interference.doubt import spill_check
from whydrift.effects.question import Question
from whydrift.effects.study import Study
from whydrift.effects.table import Table
from whydrift.effects.words import percent

__all__ = ["TwoStage"]

_FEW_GROUPS, _TOO_FEW_GROUPS = 10, 3  # of one strategy
_APART_WARN, _APART_FAIL = 0.2, 0.05  # between the shares that two strategies treat
_ASSUMES = (
    "Which strategy a group got was drawn, and within the group who was treated",
    "Groups leave each other alone; within a group it matters how many are treated, not who "
    "(partial, stratified interference)",
    CONSISTENCY,
)


@dataclass(frozen=True)
class TwoStage:
    """Own treatment and that of others in one's group, apart (Hudgens & Halloran).

    ``cluster`` names the group. Estimands: ``direct``: treated against untreated in groups of the
    strategy ``high``; ``indirect``: the untreated of ``high`` against the untreated of ``low``;
    ``total``: the treated of ``high`` against the untreated of ``low``, the sum of both;
    ``overall``: all of ``high`` against all of ``low``. Groups count alike, whatever their size.

    Parameters
    ----------
    saturation : str
        Column: the strategy of the row's group, such as the share that was to be treated.
    high, low : str or number, optional
        The strategies compared; by default the last and the first.

    References
    ----------
    Hudgens & Halloran (2008), Toward causal inference with interference, JASA 103, 832-842.
    """

    saturation: str
    high: str | float | None = None
    low: str | float | None = None

    def estimate(self, study: Study, question: Question) -> Effect:
        """Return the effect; see `Method`."""
        groups = _read(study, self.saturation)
        low, high = self._strategies(groups)
        found = groups.contrasts(high, low)
        asked = found[question.estimand]
        if asked is None:
            empty = "untreated" if question.estimand == "direct" else "treated or untreated"
            raise TooFewRows(
                f"{question.estimand!r} compares rows of which there are none: in some strategy no "
                f"group has {empty} rows",
                where="two_stage",
                remedy="Ask for overall, which all groups answer",
            )
        words, symbols = _WORDS[question.estimand]
        names = {"high": groups.strategies[high], "low": groups.strategies[low]}
        outcome, treatment = study.roles.outcome, study.roles.treatment
        indirect = found["indirect"]
        return question.answer(
            study,
            Estimand(
                question.estimand,
                f"average change of {outcome}: {words.format(**names)}, over groups",
                symbols,
            ),
            method="two_stage",
            value=asked.value,
            standard_error=asked.error,
            freedom=asked.freedom,
            contrast=f"{treatment}: {words.format(**names)}",
            assumptions=_ASSUMES,
            checks=(
                groups.count_check(high, low),
                groups.apart_check(high, low),
                *(
                    ()
                    if indirect is None
                    else (spill_check("the treatment of others in the group", indirect, question),)
                ),
            ),
            details={
                "effects": contrast_table(
                    f"{names['high']} against {names['low']}", found, question
                ),
                "strategies": groups.table(),
            },
            charts=(contrast_chart(found, question, outcome, "effect"),),
        )

    def _strategies(self, groups: _Groups) -> tuple[int, int]:
        places = []
        for name, given, default in (
            ("low", self.low, 0),
            ("high", self.high, len(groups.strategies) - 1),
        ):
            if given is None:
                places.append(default)
                continue
            word = f"{given:g}" if isinstance(given, (int, float)) else str(given)
            if word not in groups.strategies:
                raise unknown_name(
                    "strategy", word, known=groups.strategies, where=f"two_stage, {name}"
                )
            places.append(groups.strategies.index(word))
        if places[0] == places[1]:
            raise OptionError(
                "one strategy is compared with itself",
                where="two_stage, high, low",
                remedy=f"Name two of {', '.join(groups.strategies)}",
            )
        return places[0], places[1]


_WORDS = {
    "direct": (
        "treated against untreated, both under {high}",
        "mean over groups of Ȳ(1; high) − Ȳ(0; high)",
    ),
    "indirect": (
        "untreated under {high} against untreated under {low}",
        "mean over groups of Ȳ(0; high) − Ȳ(0; low)",
    ),
    "total": (
        "treated under {high} against untreated under {low}",
        "mean over groups of Ȳ(1; high) − Ȳ(0; low)",
    ),
    "overall": (
        "all under {high} against all under {low}",
        "mean over groups of Ȳ(high) − Ȳ(low)",
    ),
}


@dataclass(frozen=True)
class _Groups:
    """Means and spreads of every group.

    Parameters
    ----------
    strategies : tuple of str
    strategy : ndarray of int, shape (n_groups,)
    rows : ndarray of shape (n_groups, 2)
        Untreated and treated.
    means : ndarray of shape (n_groups, 3)
        Of the untreated, the treated, all; NaN where there are none.
    noise : ndarray of shape (n_groups,)
        Variance of the difference of both means by the draw within; NaN where it cannot be had.
    """

    strategies: tuple[str, ...]
    strategy: IntArray
    rows: FloatArray
    means: FloatArray
    noise: FloatArray

    def contrasts(self, high: int, low: int) -> dict[str, Contrast | None]:
        """Return the four effects; None where there is nothing to compare."""
        return {
            "direct": self._direct(high),
            "indirect": self._between(0, high, 0, low),
            "total": self._between(1, high, 0, low),
            "overall": self._between(2, high, 2, low),
        }

    def _direct(self, strategy: int) -> Contrast | None:
        of = self.strategy == strategy
        gaps = (self.means[:, 1] - self.means[:, 0])[of]
        there = ~np.isnan(gaps)
        count, groups = int(there.sum()), len(self.strategy)
        if count < 2:
            return None
        between = float(gaps[there].var(ddof=1)) / count
        noise = self.noise[of][there]
        if there.all() and not np.isnan(noise).any():
            # The paper's estimator: the groups are all there are. Unbiased where treatment adds the
            # same to all rows of a group, else rather too large.
            between = (1 - count / groups) * between + float(noise.sum()) / (count * groups)
        return Contrast(float(gaps[there].mean()), float(np.sqrt(between)), count - 1.0)

    def _between(self, arm: int, high: int, other: int, low: int) -> Contrast | None:
        ours = _known(self.means[self.strategy == high, arm])
        theirs = _known(self.means[self.strategy == low, other])
        if min(len(ours), len(theirs)) < 2:
            return None
        parts = [float(side.var(ddof=1)) / len(side) for side in (ours, theirs)]
        spread = sum(parts)
        # Welch–Satterthwaite.
        below = sum(
            part**2 / (len(side) - 1) for part, side in zip(parts, (ours, theirs), strict=True)
        )
        freedom = spread**2 / below if below > 0 else float(len(ours) + len(theirs) - 2)
        return Contrast(float(ours.mean() - theirs.mean()), float(np.sqrt(spread)), freedom)

    def count_check(self, high: int, low: int) -> Check:
        """Judge how many groups the comparison rests on."""
        fewest = min(int((self.strategy == s).sum()) for s in (high, low))
        said = f"{fewest} groups in the smaller of both strategies"
        if fewest < _FEW_GROUPS:
            said += ": a few groups decide, and intervals rest on them being alike"
        return Check.at_least("groups", fewest, said, warn=_FEW_GROUPS, fail=_TOO_FEW_GROUPS)

    def apart_check(self, high: int, low: int) -> Check:
        """Judge whether the strategies treated different shares at all."""
        shares = [self._share(s) for s in (high, low)]
        gap = abs(shares[0] - shares[1])
        said = (
            f"{percent(shares[0])} of the rows treated under {self.strategies[high]}, "
            f"{percent(shares[1])} under {self.strategies[low]}"
        )
        if gap < _APART_WARN:
            said += ": with shares so close, what others' treatment does can hardly show"
        return Check.at_least("strategies_apart", gap, said, warn=_APART_WARN, fail=_APART_FAIL)

    def _share(self, strategy: int) -> float:
        rows = self.rows[self.strategy == strategy].sum(axis=0)
        return float(rows[1] / rows.sum())

    def table(self) -> Table:
        """Return mean outcomes under each strategy."""
        places = range(len(self.strategies))
        chosen = [self.strategy == s for s in places]
        means = [[_mean(self.means[of, arm]) for of in chosen] for arm in range(3)]
        return Table.of(
            "Mean outcomes under each strategy, groups alike",
            {
                "strategy": self.strategies,
                "groups": [int(of.sum()) for of in chosen],
                "share treated": [self._share(s) for s in places],
                "untreated": means[0],
                "treated": means[1],
                "all": means[2],
            },
        )


def _read(study: Study, saturation: str) -> _Groups:
    if study.cluster is None:
        raise OptionError(
            "the groups are not named", where="two_stage", remedy="Give cluster= (--cluster)"
        )
    group = study.cluster
    strategy, strategies = study.codes(saturation, "saturation")
    if len(strategies) < 2:
        raise SchemaError(
            f"all rows have the one strategy {strategies[0]!r}",
            where=f"saturation {saturation!r}",
            remedy="What others' treatment does shows only between strategies; with one, take "
            "ab_test",
        )
    groups = int(group.max()) + 1
    of_group = np.zeros(groups, dtype=np.int64)
    of_group[group] = strategy
    if (of_group[group] != strategy).any():
        mixed = int(np.argmax(of_group[group] != strategy))
        raise SchemaError(
            f"group {study.codes(str(study.roles.cluster), 'cluster')[1][group[mixed]]} has rows "
            "of several strategies",
            where=f"saturation {saturation!r}",
            remedy="Name a column that is the same within each group",
        )
    treated: BoolArray = study.treatment.is_treated == 1
    sides = (~treated, treated, np.ones(study.n, dtype=bool))
    rows = np.column_stack([np.bincount(group[side], minlength=groups) for side in sides])
    sums = np.column_stack(
        [np.bincount(group[side], study.outcome[side], groups) for side in sides]
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(rows > 0, sums / rows, np.nan)
        own = means[group, treated.astype(np.int64)]
        squares = np.column_stack(
            [
                np.bincount(group[side], (study.outcome - own)[side] ** 2, groups)
                for side in sides[:2]
            ]
        )
        counts = rows[:, :2]
        noise = np.where(counts > 1, squares / (counts - 1) / counts, np.nan).sum(axis=1)
    sizes = np.bincount(of_group, minlength=len(strategies))
    if sizes.min() < 2:
        raise TooFewRows(
            f"{int(sizes.min())} group has strategy {strategies[int(np.argmin(sizes))]}",
            where="two_stage",
            remedy="A spread between groups needs two of them under each strategy",
        )
    return _Groups(strategies, of_group, counts.astype(np.float64), means, noise)


def _known(values: FloatArray) -> FloatArray:
    return values[~np.isnan(values)]


def _mean(values: FloatArray) -> float | None:
    known = _known(values)
    return float(known.mean()) if len(known) else None
