"""Switchbacks: treatment switched on and off in blocks of time, with what a block leaves behind."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.errors import OptionError, SchemaError, TooFewRows
from whydrift.discovery.snapshot.note import Note
from whydrift.effects.chart import Chart, Rule, Series
from whydrift.effects.check import Check, Outcome
from whydrift.effects.effect import Effect
from whydrift.effects.estimand import CONSISTENCY, Estimand
from whydrift.effects.interference.contrasts import Contrast, contrast_table
from whydrift.effects.panel.absorber import Absorber, slopes
from whydrift.effects.question import Question
from whydrift.effects.study import Study
from whydrift.effects.table import Table
from whydrift.effects.words import number_text, p_text

__all__ = ["Switchback"]

_FEW_BLOCKS, _TOO_FEW_BLOCKS = 10, 4  # of one arm
_CARRY_WARN, _CARRY_FAIL = 0.05, 0.001
_LEAST_SPREAD = 1e-6  # of the block before, once the block's own treatment is out
_MOST_SHOWN = 24  # periods of a block, and burn-ins
_ASSUMES = (
    "Whether a block was treated was drawn for each block alone",
    "What a block leaves behind has worn off after the burn-in, and nothing is done in expectation "
    "of the next",
)


@dataclass(frozen=True)
class Switchback:
    """Blocks with treatment against blocks without, the beginning of each left out.

    ``time`` says when, ``unit`` (a city, a market) where, if there are several places; each place
    then has a level of its own. Errors go by block: by blocks of time where all places were
    switched together, by blocks of a place where each was switched on its own, by ``cluster`` where
    that is named.

    Parameters
    ----------
    block : str, optional
        Column: which block a row lies in.
    block_length : int, optional
        Periods in a block, from the first period on, where no column says. Without both it is the
        largest number of periods of which all runs of one treatment are multiples.
    burn_in : int
        Periods at the beginning of each block that are left out, so that the block before does not
        reach into it.

    References
    ----------
    Bojinov, Simchi-Levi & Zhao (2023), Design and analysis of switchback experiments, Management
    Science 69, 3759-3777.
    """

    block: str | None = None
    block_length: int | None = None
    burn_in: int = 0

    def estimate(self, study: Study, question: Question) -> Effect:
        """Return the effect; see `Method`."""
        blocks = self._blocks(study)
        kept = blocks.position >= self.burn_in
        _require_both(study, blocks, kept, self.burn_in)
        found = blocks.effect(study, kept)
        carried, checks = _carry_over(study, blocks, kept, self.burn_in, question)
        details = {"burn_in": self._by_burn_in(study, blocks, question)}
        charts = []
        if carried:
            details["carry_over"] = contrast_table(
                "What a treated block before still does, by periods since the block began",
                {str(place): each for place, each in carried.items()}, question, "period of block",
            )  # fmt: skip
            charts.append(_carry_chart(carried, question, study.roles.outcome, self.burn_in))
        outcome, contrast = study.roles.outcome, study.treatment.contrast
        return question.answer(
            study,
            Estimand(
                "ate",
                f"average change of {outcome} by {contrast} throughout, over the periods kept",
                "E[Y_t(1, …, 1) − Y_t(0, …, 0)]",
            ),
            method="switchback",
            value=found.value,
            standard_error=found.error,
            freedom=found.freedom,
            n=int(kept.sum()),
            assumptions=(*_ASSUMES, CONSISTENCY),
            checks=(blocks.count_check(study), *checks),
            warnings=blocks.notes,
            details=details,
            charts=charts,
        )

    def _blocks(self, study: Study) -> _Blocks:
        whole = isinstance(self.burn_in, int) and not isinstance(self.burn_in, bool)
        if not whole or self.burn_in < 0:
            raise OptionError(
                f"{self.burn_in!r} is no number of periods",
                where="switchback, burn_in",
                remedy="Give a whole number from 0 on",
            )
        return _read(study, self.block, self.block_length)

    def _by_burn_in(self, study: Study, blocks: _Blocks, question: Question) -> Table:
        found: dict[str, Contrast | None] = {}
        for burn_in in range(min(blocks.longest, _MOST_SHOWN)):
            kept = blocks.position >= burn_in
            if not _has_both(study, blocks, kept):
                break
            found[str(burn_in)] = blocks.effect(study, kept)
        return contrast_table("The effect by periods left out", found, question, "burn-in")


@dataclass(frozen=True)
class _Blocks:
    """Which block each row lies in.

    Parameters
    ----------
    lane : ndarray of int, shape (n_rows,)
        The place that was switched; all 0 where there is one.
    block : ndarray of int, shape (n_rows,)
        Codes from 0, different in each lane.
    position : ndarray of int, shape (n_rows,)
        Periods since the block began, from 0.
    before : ndarray of shape (n_rows,)
        The treatment of the block before; NaN for the first of a lane.
    cluster : ndarray of int, shape (n_rows,)
        What errors go by.
    together : bool
        Whether all places were switched together.
    notes : tuple of Note
    """

    lane: IntArray
    block: IntArray
    position: IntArray
    before: FloatArray
    cluster: IntArray
    together: bool
    notes: tuple[Note, ...] = ()

    @property
    def longest(self) -> int:
        """Periods in the longest block."""
        return int(self.position.max()) + 1

    def effect(self, study: Study, kept: BoolArray) -> Contrast:
        """Return the effect of a block's own treatment."""
        return self._slopes(study, kept, study.treatment.values[:, None])[0]

    def of_before(self, study: Study, kept: BoolArray) -> Contrast | None:
        """Return what the block before still does; None where that cannot be told."""
        kept = kept & ~np.isnan(self.before)
        if not kept.any():
            return None
        both = np.column_stack([self.before, study.treatment.values])
        own = self._absorber(study, kept, both[:, 1:])
        apart = own.residual(both[kept, 0]).std() > _LEAST_SPREAD
        if not apart or len(np.unique(self.cluster[kept])) < _TOO_FEW_BLOCKS:
            return None
        return self._slopes(study, kept, both)[0]

    def _absorber(self, study: Study, kept: BoolArray, more: FloatArray | None = None) -> Absorber:
        columns = study.covariates.standardised[kept]
        if more is not None:
            columns = np.column_stack([columns, more[kept]])
        return Absorber.build(columns, np.unique(self.lane[kept], return_inverse=True)[1])

    def _slopes(self, study: Study, kept: BoolArray, columns: FloatArray) -> list[Contrast]:
        cluster = np.unique(self.cluster[kept], return_inverse=True)[1]
        absorber = self._absorber(study, kept)
        fit = slopes(absorber, columns[kept], study.outcome[kept], cluster=cluster, robust=True)
        groups = int(cluster.max()) + 1
        # Levels of places cost freedom where blocks lie within places.
        cost = 1 if self.together else absorber.levels
        freedom = max(groups - cost - columns.shape[1] + 1.0, 1.0)
        errors = fit.errors * math.sqrt((groups - 1) / freedom)
        return [
            Contrast(float(value), float(error), freedom, int(kept.sum()))
            for value, error in zip(fit.values, errors, strict=True)
        ]

    def count_check(self, study: Study) -> Check:
        """Judge how many blocks each arm has."""
        treated = study.treatment.is_treated == 1
        counts = [len(np.unique(self.cluster[treated == side])) for side in (False, True)]
        said = f"{counts[1]} blocks with treatment, {counts[0]} without"
        if min(counts) < _FEW_BLOCKS:
            said += ": a few blocks decide"
        return Check.at_least("blocks", min(counts), said, warn=_FEW_BLOCKS, fail=_TOO_FEW_BLOCKS)


# ---- reading ----------------------------------------------------------------------------------
def _read(study: Study, column: str | None, length: int | None) -> _Blocks:
    lane = study.unit[0] if study.roles.unit is not None else np.zeros(study.n, dtype=np.int64)
    period, periods = study.time
    treated = study.treatment.is_treated
    notes: tuple[Note, ...] = ()
    if column is not None and length is not None:
        raise OptionError(
            "blocks are named by a column and by their length",
            where="switchback, block, block_length",
            remedy="Give one of the two",
        )
    if column is not None:
        of_time = study.codes(column, "block")[0]
    else:
        if length is None:
            length = _common_length(lane, period, treated)
            text = (
                f"blocks of {length} periods: all runs of one treatment are multiples of that "
                "(block or block_length say otherwise)"
            )
            notes = (Note("block_length", study.roles.time, text),)
        if isinstance(length, bool) or not isinstance(length, int) or length < 1:
            raise OptionError(
                f"{length!r} is no number of periods",
                where="switchback, block_length",
                remedy="Give a whole number from 1 on",
            )
        of_time = period // length
    names, block = np.unique(lane * (int(of_time.max()) + 1) + of_time, return_inverse=True)
    block = block.astype(np.int64)
    count = len(names)
    first = np.full(count, len(periods))
    np.minimum.at(first, block, period)
    own = np.zeros(count)
    own[block] = treated
    if (own[block] != treated).any():
        mixed = int(np.argmax(own[block] != treated))
        raise SchemaError(
            f"the block of {study.roles.time} = {periods[period[mixed]]} is treated in part only",
            where="switchback",
            remedy="Give block= or block_length=, so that each block is treated whole or not",
        )
    if len(np.unique(own)) < 2 or count < 2 * _TOO_FEW_BLOCKS - 1:
        raise TooFewRows(
            f"there are {count} blocks in all",
            where="switchback",
            remedy="A switchback needs several blocks in both arms; compare places with ab_test",
        )
    # The block before: the last one of the lane that began earlier.
    of_lane = np.zeros(count, dtype=np.int64)
    of_lane[block] = lane
    order = np.lexsort((first, of_lane))
    before = np.full(count, np.nan)
    follows = of_lane[order][1:] == of_lane[order][:-1]
    before[order[1:][follows]] = own[order[:-1][follows]]
    together = _switched_together(period, treated)
    if study.cluster is not None:
        cluster = study.cluster
    else:
        cluster = np.unique(of_time, return_inverse=True)[1] if together else block
    return _Blocks(
        lane, block, period - first[block], before[block], cluster.astype(np.int64),
        together, notes,
    )  # fmt: skip


def _switched_together(period: IntArray, treated: IntArray) -> bool:
    """Whether all rows of a period were treated alike."""
    of_period = np.zeros(int(period.max()) + 1, dtype=np.int64)
    of_period[period] = treated
    return bool((of_period[period] == treated).all())


def _common_length(lane: IntArray, period: IntArray, treated: IntArray) -> int:
    """Return the greatest common divisor of the runs of one treatment, but for each last one."""
    found = 0
    for each in range(int(lane.max()) + 1):
        mine = lane == each
        when, place = np.unique(period[mine], return_index=True)
        done = treated[mine][place]
        turns = np.flatnonzero(np.diff(done)) + 1
        starts = when[np.concatenate([[0], turns])]
        for length in np.diff(starts):
            found = math.gcd(found, int(length))
    if not found:
        raise SchemaError(
            "treatment is never switched over time",
            where="switchback",
            remedy="Where places were treated all along, compare them with ab_test and cluster=",
        )
    return found


# ---- judging ----------------------------------------------------------------------------------
def _has_both(study: Study, blocks: _Blocks, kept: BoolArray) -> bool:
    treated = study.treatment.is_treated == 1
    return all(len(np.unique(blocks.cluster[kept & side])) > 1 for side in (treated, ~treated))


def _require_both(study: Study, blocks: _Blocks, kept: BoolArray, burn_in: int) -> None:
    if not _has_both(study, blocks, kept):
        raise TooFewRows(
            f"a burn-in of {burn_in} leaves fewer than two blocks in an arm; the longest has "
            f"{blocks.longest} periods",
            where="switchback, burn_in",
            remedy="Give a shorter one",
        )


def _carry_over(
    study: Study, blocks: _Blocks, kept: BoolArray, burn_in: int, question: Question
) -> tuple[dict[int, Contrast], tuple[Check, ...]]:
    """Return what the block before does in each period of a block, and the verdict on the rest."""
    after = blocks.of_before(study, kept)
    if after is None:
        said = (
            "what a block leaves behind cannot be told from the treatment itself: on and off "
            "alternate, or there are too few blocks"
        )
        return {}, (Check("carry_over", Outcome.WARN, said),)
    shown = {}
    for place in range(min(blocks.longest, _MOST_SHOWN)):
        each = blocks.of_before(study, blocks.position == place)
        if each is not None:
            shown[place] = each
    # What is left wears off: the first period kept shows most of it, all of them the least noise.
    tried = {"": after}
    if burn_in in shown:
        tried[" in the first period kept"] = shown[burn_in]
    where, worst = min(tried.items(), key=lambda item: item[1].p_value)
    p = min(1.0, len(tried) * worst.p_value)
    left = f"after a burn-in of {burn_in}" if burn_in else "without a burn-in"
    said = (
        f"{left}, a treated block before moves the outcome by "
        f"{number_text(worst.value, signed=True)}{where} ({p_text(p)})"
    )
    said += (
        ": it reaches into the next one; a longer burn_in leaves more of it out"
        if p < _CARRY_WARN
        else ": no more than by chance"
    )
    return shown, (Check.at_least("carry_over", p, said, warn=_CARRY_WARN, fail=_CARRY_FAIL),)


def _carry_chart(
    carried: dict[int, Contrast], question: Question, outcome: str, burn_in: int
) -> Chart:
    ends = [each.ends(question) for each in carried.values()]
    series = Series.of(
        "a treated block before",
        list(carried),
        [each.value for each in carried.values()],
        low=[low for low, _ in ends],
        high=[high for _, high in ends],
    )
    units = f", {question.units}" if question.units else ""
    rules = [Rule("y", 0.0, "nothing left")]
    if burn_in:
        rules.append(Rule("x", burn_in - 0.5, "kept from here on"))
    return Chart(
        "carry_over",
        f"What the block before still does to {outcome}",
        "periods since the block began",
        f"change of {outcome}{units}",
        (series,),
        tuple(rules),
    )
