"""A target that is the same in every row of both windows: it tells nothing of what leads to it."""

from __future__ import annotations

from whydrift.monitor.diagnosis.question import Question
from whydrift.monitor.diagnosis.sides import Sides

__all__ = ["is_unexplained_constant"]


def is_unexplained_constant(side: Sides, question: Question) -> bool:
    """Whether the labels are all the same, and neither graph nor knowledge says what leads to them.

    Parameters
    ----------
    side : Sides
        The windows; such a target is none of the columns compared.
    question : Question
    """
    target = question.target
    if target is None or not side.has_labels or target in side.names:
        return False
    if not (side.reference.is_constant(target) and side.current.is_constant(target)):
        return False
    graph, known = question.graph, question.knowledge
    if graph is not None and target in graph.nodes:
        return not (graph.parents(target) or graph.undecided_neighbours(target))
    return known is None or all(effect != target for _, effect in known.required)
