"""A number that reads otherwise, by a constant or a factor, while what follows from it does not.

A vendor's score reads 25 less, amounts come in another currency, a sensor was mounted anew. By a
graph the number moved, and so did what follows from it, since that follows from the number as it
was. Where undoing one shift or factor makes the number what it was given its causes, and everything
that follows from it what it was given the number, that is the simpler explanation: one column, and
not two. A rate that rose while nobody reacted looks the same: it is called broken only where
several columns say so of a constant that was added, or where values are such as never were.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray
from whydrift.discovery.graph import Graph
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.schema import ColumnKind
from whydrift.monitor.diagnosis.alternatives import Parents
from whydrift.monitor.diagnosis.diagnosis import ColumnVerdict, Fault, FaultKind, ReasonCode
from whydrift.monitor.diagnosis.faults.base import Finding
from whydrift.monitor.diagnosis.judge import Judgement
from whydrift.monitor.diagnosis.judgement import Floor, Judged, sees_enough
from whydrift.monitor.diagnosis.mechanism.base import MechanismTestResult
from whydrift.monitor.diagnosis.pair import WindowPair
from whydrift.monitor.diagnosis.testing import Testing
from whydrift.monitor.diagnosis.whole_numbers import are_whole
from whydrift.monitor.diagnosis.words import joined, p_text

__all__ = ["Rescaled", "recalibrated"]

_NUMBERS = frozenset({ColumnKind.CONTINUOUS, ColumnKind.COUNT})
_MOVED = frozenset({ColumnVerdict.SOURCE, ColumnVerdict.MECHANISM})
_MOST_MOVED = 6  # columns of which each may be the one
_LEAST_P = 0.01  # of "as before", once the scale is undone
_LIKELIER = 1e3  # than as recorded
_LIKELY = 1e-6  # the same at the likeliest scale, for others near it to be tried
_AROUND = (1.0, -1.0, 2.0, -2.0)  # standard errors from the likeliest scale
_MIDDLE = np.linspace(0.1, 0.9, 33)  # quantiles by which a scale is told
_INTERVAL = 1.959964  # 95 %
_WELL = 0.3  # fits so well that no other need be tried
_LEAST_ROWS = 50
_MOST_SEGMENTING, _MOST_LEVELS = 20, 12  # columns and categories looked at
_FAR = float(np.log(2))
_CLEAR, _STAYED = 6.0, 3.0  # standard errors, of rows that moved and of the others


@dataclass(frozen=True)
class _Scale:
    """Values, or the logs of values above 0, that are a constant more than they were.

    Parameters
    ----------
    added, error : float
        That constant, and its standard error.
    is_factor : bool
        Whether of logs.
    is_whole : bool
        Whether all values are whole numbers.
    rows : ndarray of bool, shape (n_current_sampled,), optional
        In which rows; None for all.
    where : str, optional
        Which rows these are.
    """

    added: float
    error: float
    is_factor: bool
    is_whole: bool
    rows: BoolArray | None = None
    where: str | None = None

    def near(self, errors: float) -> _Scale:
        """Return the scale so many standard errors away."""
        return replace(self, added=self.added + errors * self.error)

    @property
    def round_ones(self) -> tuple[_Scale, ...]:
        """Round numbers within three standard errors: people add 20, not 19.6."""
        added = float(np.exp(self.added)) if self.is_factor else self.added
        numbers = dict.fromkeys(float(f"{added:.{digits}g}") for digits in (1, 2))
        found = (np.log(n) if self.is_factor else n for n in numbers if n)
        return tuple(
            replace(self, added=float(n)) for n in found if abs(n - self.added) < 3 * self.error
        )

    def undo(self, values: FloatArray) -> FloatArray:
        """Return the values as they were."""
        if self.is_factor:
            was = values / float(np.exp(self.added))
        else:
            was = values - (round(self.added) if self.is_whole else self.added)
        return was if self.rows is None else np.where(self.rows, was, values)

    @property
    def text(self) -> str:
        """What became of the values."""
        if self.is_factor:
            return f"{np.exp(self.added):.3g} times what it did"
        way = "more" if self.added > 0 else "less"
        return f"{abs(self.added):.4g} {way} than it did"

    @property
    def interval(self) -> str:
        """Between what and what, at 95 %."""
        ends = [self.added - _INTERVAL * self.error, self.added + _INTERVAL * self.error]
        low, high = sorted(np.exp(ends) if self.is_factor else np.abs(ends))
        return f"{low:.4g} to {high:.4g}"


@dataclass(frozen=True)
class Rescaled:
    """A number that reads otherwise, and what did not follow.

    Parameters
    ----------
    column : str
    finding : Finding
        As a fault.
    others : tuple of str
        Columns that follow from it by the graph, and are as before only if that is undone.
    p_value : float
        The least of "as before", of any column, then.
    is_fault : bool
        Whether it must be the record: a constant was added and two columns or more did not follow,
        the values have twice their size or half of it, or none is like those that there were.
        Where prices rose by a tenth, all that depends on how dear a thing is among others stayed.
    """

    column: str
    finding: Finding
    others: tuple[str, ...]
    p_value: float
    is_fault: bool

    @property
    def scale(self) -> str:
        """What became of the values, and in which rows."""
        fault = self.finding.fault
        return f"{fault.scale}{f' where {fault.where}' if fault.where else ''}"

    def told(self, judged: Mapping[str, Judged]) -> dict[str, Judged]:
        """Return the verdicts on the others, where this alone is said to have changed."""
        text = (
            f"Given {self.column} it moved, but not once that is undone of {self.column} by which "
            f"it reads {self.scale} ({p_text(self.p_value)})."
        )
        return {
            name: replace(judged[name], verdict=ColumnVerdict.STABLE, reason_code=None, reason=text)
            for name in self.others
        }

    @property
    def text(self) -> str:
        """What is known, and what is not."""
        return (
            f"{self.column} reads {self.scale}, and {joined(self.others)} did not follow: another "
            "scale, or a move that nothing came of"
        )

    @property
    def note(self) -> Note:
        """The same as a warning."""
        return Note("rescaled", self.column, self.text)


def recalibrated(
    testing: Testing, judgement: Judgement, floor: Floor, level: float, target: str | None
) -> Rescaled | None:
    """Return the number whose new scale explains what else moved with it, or None.

    What followed the number as it is recorded speaks against it, and so does what still moved once
    the scale is undone.

    Parameters
    ----------
    testing : Testing
        Of the windows.
    judgement : Judgement
        What came of it.
    floor, level
        As the columns were judged: where a change worth knowing would not have been seen, that a
        column is as before is not believed.
    target : str, optional
        The target.
    """
    judged, graph, pair = judgement.judged, judgement.graph, testing.repaired
    moved = [name for name, found in judged.items() if found.verdict in _MOVED]
    best: Rescaled | None = None

    def sees(result: MechanismTestResult) -> bool:
        return bool(sees_enough(result, floor, level, judgement.tests))

    for name in moved[:_MOST_MOVED]:
        if pair.reference.schema[name].kind not in _NUMBERS:
            continue
        below = [c for c in graph.children(name) if c in testing.usable and c not in testing.faulty]
        torn = tuple(c for c in below if _is_torn(judged[c]))
        if not torn or _has_followed(judged, graph, name, torn):
            continue
        parents = {
            n: tuple(p for p in graph.parents(n) if p in testing.usable) for n in (name, *below)
        }
        recorded = max(_p_value(judgement, n) for n in (name, *torn))
        is_unlike = any(judged[c].reason_code is ReasonCode.NO_OVERLAP for c in torn)
        # What follows from the number tells by its levels how the number has moved.
        apart = {name, target, *graph.descendants(name)}
        telling = [n for n in pair.names if n not in apart and pair.is_discrete(n)]
        for likeliest in chain(
            _scales(pair, name, parents[name]), _in_part(pair, name, parents[name], telling)
        ):
            if best is not None and best.column == name and likeliest.rows is not None:
                break  # all rows went the same way: no matter of a category
            around = (likeliest.near(errors) for errors in _AROUND)
            for scale in (*likeliest.round_ones, likeliest, *around):
                undone = {name: scale.undo(pair.current.column(name))}
                least = _least_p(testing, undone, parents, torn, sees)
                if least > max(_LEAST_P, _LIKELIER * recorded, best.p_value if best else 0.0):
                    is_far = scale.is_factor and abs(scale.added) >= _FAR
                    best = Rescaled(
                        name,
                        _finding(name, scale, undone, torn, least),
                        torn,
                        least,
                        is_fault=is_unlike or is_far or (len(torn) > 1 and not scale.is_factor),
                    )
                if least > _WELL or (scale is likeliest and least < _LIKELY):
                    break
    return best


def _least_p(
    testing: Testing,
    undone: Mapping[str, FloatArray],
    parents: Mapping[str, Parents],
    doubted: Collection[str],
    sees: Callable[[MechanismTestResult], bool],
) -> float:
    """Return the least p-value of columns given their parents, the others once one is too small.

    It is 0 where a change of one of the doubted columns might have been missed. Of the number, in
    which a smaller change would be, it is not asked.
    """
    least, tested = 1.0, testing.undone(undone)
    for name, given in parents.items():
        result = tested(name, given)
        if result.p_value is None or (name in doubted and not sees(result)):
            return 0.0
        least = min(least, result.p_value)
        if least < _LIKELY:
            break
    return least


def _p_value(judgement: Judgement, name: str) -> float:
    """Return the p-value of a column as recorded; 0 where it could not be compared."""
    own = judgement.evidence[name].own
    return 0.0 if own is None or own.p_value is None else own.p_value


def _is_torn(found: Judged) -> bool:
    """Whether a column moved given its parents, or cannot be compared given them."""
    return found.verdict in _MOVED or found.reason_code is ReasonCode.NO_OVERLAP


def _has_followed(
    judged: Mapping[str, Judged], graph: Graph, name: str, torn: Collection[str]
) -> bool:
    """Whether a column inherited the move, from the number or what follows from it alone."""
    origins = {n for n, found in judged.items() if found.verdict.is_origin} - {name, *torn}
    return any(
        judged[n].verdict is ColumnVerdict.INHERITED and not origins & graph.ancestors(n)
        for n in graph.descendants(name)
        if n in judged
    )


def _scales(pair: WindowPair, name: str, parents: tuple[str, ...]) -> Iterator[_Scale]:
    """Yield the shift, and of numbers above 0 the factor, that took the middle of the values."""
    rows = pair.complete((name, *parents))
    for is_factor, left, is_whole in _left(pair, name, parents, rows):
        found = _moved_by(left, pair.is_current[rows] == 1)
        if found is not None:
            yield _Scale(*found, is_factor, is_whole)


def _in_part(
    pair: WindowPair, name: str, parents: tuple[str, ...], telling: Sequence[str]
) -> Iterator[_Scale]:
    """Yield the same for the rows of one category, where those of the others stayed."""
    rows = pair.complete((name, *parents))
    is_current = pair.is_current[rows] == 1
    of_current = pair.is_current == 1
    for is_factor, left, is_whole in _left(pair, name, parents, rows):
        for column in telling[:_MOST_SEGMENTING]:
            codes = pair.values(column)
            labels = pair.reference.schema[column].categories
            for code, label in enumerate(labels[:_MOST_LEVELS]):
                here = codes[rows] == code
                part = _moved_by(left[here], is_current[here])
                rest = _moved_by(left[~here], is_current[~here])
                if part is None or rest is None:
                    continue
                if abs(part[0]) > _CLEAR * part[1] and abs(rest[0]) < _STAYED * rest[1]:
                    yield _Scale(
                        *part,
                        is_factor,
                        is_whole,
                        codes[of_current] == code,
                        f"{column} is {label!r}",
                    )


def _left(
    pair: WindowPair, name: str, parents: tuple[str, ...], rows: BoolArray
) -> Iterator[tuple[bool, FloatArray, bool]]:
    """Yield what causes leave of the values, and of their logs where they have some.

    Yields
    ------
    is_factor : bool
    left : ndarray of shape (n_rows,)
    is_whole : bool
        Whether all values are whole numbers.
    """
    values, current = pair.values(name)[rows], pair.is_current[rows]
    if not 0 < current.sum() < len(values):
        return
    design = np.column_stack(
        [np.ones(len(values)), current, *(pair.features(p).basis[rows] for p in parents)]
    )
    is_whole = are_whole(values)
    for is_factor in (False, True):
        if is_factor and values.min() <= 0:
            return
        own = np.log(values) if is_factor else values
        slopes = np.linalg.lstsq(design, own, rcond=None)[0]
        yield is_factor, own - design[:, 2:] @ slopes[2:], is_whole


def _moved_by(left: FloatArray, is_current: BoolArray) -> tuple[float, float] | None:
    """Return by how much the middle of some rows moved, and its standard error."""
    before, after = left[~is_current], left[is_current]
    if min(len(before), len(after)) < _LEAST_ROWS:
        return None
    quantiles = [np.quantile(part, _MIDDLE) for part in (before, after)]
    spread = float(quantiles[0][-1] - quantiles[0][0]) / 2.56  # of a normal, in sd
    error = spread * float(np.sqrt(1 / len(before) + 1 / len(after)))
    return (float((quantiles[1] - quantiles[0]).mean()), error) if error > 0 else None


def _finding(
    name: str,
    scale: _Scale,
    undone: Mapping[str, FloatArray],
    torn: Sequence[str],
    least: float,
) -> Finding:
    share, where = 1.0, ""
    if scale.rows is not None:
        share = float(scale.rows.mean())
        where = f"where {scale.where} ({share:.1%} of the rows), "
    verb = "is" if len(torn) == 1 else "are"
    evidence = (
        f"{where}it reads about {scale.text} ({scale.interval}): only with that undone {name} is "
        f"as before, and so {verb} {joined(torn)} given it ({p_text(least)})"
    )
    kind = FaultKind.UNIT_CHANGE if scale.is_factor else FaultKind.OFFSET
    fault = Fault(
        kind,
        (name,),
        share,
        evidence,
        repaired=True,
        where=scale.where,
        scale=f"about {scale.text}",
    )
    return Finding(fault, undone, scale.rows)
