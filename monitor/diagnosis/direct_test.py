"""Tests P(X | all inputs) of the target and of the prediction directly, without a graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from whydrift.discovery.snapshot.note import Note
from whydrift.monitor.diagnosis.alternatives import Parents
from whydrift.monitor.diagnosis.diagnosis import FaultKind
from whydrift.monitor.diagnosis.gaps import FilledPair
from whydrift.monitor.diagnosis.judgement import ColumnEvidence
from whydrift.monitor.diagnosis.lost_values import is_beyond_loss
from whydrift.monitor.diagnosis.mechanism.base import MechanismTestResult
from whydrift.monitor.diagnosis.mechanism.design import ROWS_PER_FEATURE, product_count
from whydrift.monitor.diagnosis.pair import WindowPair
from whydrift.monitor.diagnosis.testing import Testing
from whydrift.monitor.diagnosis.words import joined

__all__ = ["DirectTest", "prediction_given_inputs", "target_given_inputs"]

_LOW = 0.05  # p-value up to which something may have moved
_COSTLY_GAPS = 0.95  # of the rows that the other columns leave: what gaps may leave of them
_TOLD_BY_GAPS = 0.1  # of the target's variance
_ALIKE_ENOUGH = 0.5  # overlap below which columns beside the matter are not given

# Faults that leave rows without a value, and the others as they are.
_TAKE_VALUES = frozenset({FaultKind.NULL_SPIKE, FaultKind.DEFAULT_VALUE, FaultKind.STUCK_VALUE})


@dataclass(frozen=True, slots=True)
class DirectTest:
    """P(target | all inputs), tested without a graph.

    Parameters
    ----------
    result : MechanismTestResult
        What the test says.
    inputs : tuple of str
        Those given.
    left_out : tuple of str
        Those not given, as they moved too far and have nothing to do with the target.
    """

    result: MechanismTestResult
    inputs: Parents
    left_out: Parents = ()


def target_given_inputs(
    testing: Testing, target: str | None, evidence: Mapping[str, ColumnEvidence]
) -> DirectTest | None:
    """Test P(target | all inputs), or return None where rows are too few.

    Inputs are all other columns but unrepaired faulty ones, and those that tell the target outright
    and came after it: given them it never moves. With repaired inputs both versions
    have to reject: what the target follows may have read either. Of a target that lost values
    the rest is tested, and a change counts if it is larger than their loss can make it. A
    column that neither the target nor the prediction has to do with costs it no rows: its gaps
    are filled, and where it moved so far that no rows are alike, it is not given.

    Parameters
    ----------
    testing : Testing
        Of the windows, every column tested already; told in its notes why there is no answer.
    target : str, optional
        The target.
    evidence : mapping of str to ColumnEvidence
        What these tests said, per column.
    """
    if target is None or target not in testing.usable:
        return None
    fault = evidence[target].fault
    if fault is not None and fault not in _TAKE_VALUES:
        return None
    broken = {
        c
        for f in testing.findings
        if not f.repairs
        for c in f.fault.columns
        if f.fault.kind is not FaultKind.NULL_SPIKE
    }
    inputs = tuple(
        n for n in testing.graph.nodes if n in testing.usable and n != target and n not in broken
    )
    after = testing.came_after(target)
    inputs = tuple(n for n in inputs if n not in after)
    if not inputs:
        return None
    filled = _costly_gaps(testing, target, inputs)
    pair = FilledPair.of(testing.repaired, filled) if filled else testing.repaired
    if not _rows_suffice(pair, target, inputs):
        text = (
            f"P({target} | all inputs) was not tested directly: too few complete rows "
            f"for {len(inputs)} inputs"
        )
        testing.notes.append(Note("conditional_not_tested", target, text))
        return None
    direct = _given_all(testing, target, inputs, filled, evidence)
    if fault is not None and _is_low(direct.result.p_value):
        lost = _missing_shares(testing.repaired, target)
        if not is_beyond_loss(direct.result, testing.repaired.reference, target, lost):
            text = (
                f"what is left of {target!r} moved given all inputs, but no more than it may by "
                f"the {lost[1]:.1%} of values that are lost, if they are lost for what they were"
            )
            testing.notes.append(Note("conditional_in_doubt", target, text))
            return None
    return direct


def prediction_given_inputs(
    testing: Testing, prediction: str, target: str | None
) -> MechanismTestResult | None:
    """Test P(prediction | all inputs), or return None where that would tell nothing.

    So it is with too few rows, and where inputs are broken beyond repair: what the model read
    is not known. With repaired inputs both versions have to reject.

    Parameters
    ----------
    testing : Testing
        Of the windows.
    prediction : str
        Its column, which is in no graph.
    target : str, optional
        Which is no input.
    """
    inputs = tuple(n for n in testing.graph.nodes if n in testing.usable and n != target)
    read = set(testing.graph.nodes)
    if any(
        not f.repairs and (not f.fault.columns or read & {*f.fault.columns})
        for f in testing.findings
    ):
        return None
    if not inputs or not _rows_suffice(testing.recorded, prediction, inputs):
        return None
    return testing.cautious_test(prediction, inputs)


def _given_all(
    testing: Testing,
    target: str,
    inputs: Parents,
    filled: frozenset[str],
    evidence: Mapping[str, ColumnEvidence],
) -> DirectTest:
    """Test the target given all inputs, but for what is beside the matter and moved too far."""

    def given(names: Parents) -> MechanismTestResult:
        return testing.cautious_test(target, names, filled.intersection(names))

    result = given(inputs)
    if result.overlap >= _ALIKE_ENOUGH:
        return DirectTest(result, inputs)
    beside = _beside(testing, target, inputs)
    far = tuple(n for n in inputs if n in beside and _may_have_moved(evidence[n]))
    kept = tuple(n for n in inputs if n not in far)
    if not (far and kept):
        return DirectTest(result, inputs)
    nearer = given(kept)
    if nearer.overlap <= result.overlap:
        return DirectTest(result, inputs)
    text = (
        f"P({target} | all inputs) was tested without {joined(far)}: hardly any rows of the "
        f"two windows are alike in it, and nothing joins it to {target!r}"
    )
    testing.notes.append(Note("conditional_without", target, text))
    return DirectTest(nearer, kept, far)


def _costly_gaps(testing: Testing, target: str, inputs: Parents) -> frozenset[str]:
    """Return the columns beside the matter whose gaps would cost the test its rows."""
    pair = testing.repaired
    there = pair.complete((target, *inputs)).sum()
    if there == pair.observed(target).sum():
        return frozenset()
    beside = _beside(testing, target, inputs)
    near = pair.complete((target, *(n for n in inputs if n not in beside)))
    if there >= _COSTLY_GAPS * near.sum():
        return frozenset()
    gappy = [n for n in beside if 0 < pair.observed(n).sum() < len(pair.is_current)]
    return frozenset(n for n in gappy if not _is_told_by_gaps(pair, target, n))


def _is_told_by_gaps(pair: WindowPair, target: str, name: str) -> bool:
    """Whether the gaps of a column say what the target is: how long a click was looked at."""
    there = pair.observed(target)
    values = pair.features(target).linear[there]
    mark = pair.observed(name)[there] - pair.observed(name)[there].mean()
    spread = values.std(axis=0) * mark.std()
    r = np.divide((mark @ values) / len(mark), spread, where=spread > 0, out=0.0 * spread)
    return bool((r**2 >= _TOLD_BY_GAPS).any())


def _beside(testing: Testing, target: str, inputs: Parents) -> frozenset[str]:
    """Return the inputs that tell nothing of the target beside others, nor does a model read.

    Those that no edge joins to it or to what may follow from it, by the graph or by others
    that the windows support.
    """
    graph = testing.graph
    joined_to = {other for other, _, _ in graph.ends(target)}
    below = joined_to.difference(graph.parents(target))
    near = joined_to.union(*({o for o, _, _ in graph.ends(n)} for n in below))
    near |= testing.may_be_read(target)
    near = near.union(*(edge for edge in testing.edges_that_count() if target in edge))
    return frozenset(inputs) - near


def _rows_suffice(pair: WindowPair, name: str, inputs: Parents) -> bool:
    """Whether there are rows enough to test a column given all inputs."""
    features = sum(pair.features(n).basis.shape[1] for n in inputs)
    linear = sum(pair.features(n).linear.shape[1] for n in inputs)
    rows = int(pair.complete((name, *inputs)).sum())
    width = 1 + features + product_count(linear, 1 + features, rows)
    return bool(rows >= ROWS_PER_FEATURE * width)


def _missing_shares(pair: WindowPair, name: str) -> tuple[float, float]:
    """Return the shares of the reference's and of the current rows without a value."""
    there = pair.observed(name)
    return float(1 - there[: pair.split].mean()), float(1 - there[pair.split :].mean())


def _may_have_moved(evidence: ColumnEvidence) -> bool:
    """Whether a column's own distribution may have; of a faulty one that is not known."""
    marginal = evidence.marginal
    return marginal is None or marginal.p_value is None or _is_low(marginal.p_value)


def _is_low(p_value: float | None) -> bool:
    return p_value is not None and p_value <= _LOW
