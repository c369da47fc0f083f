"""What is asked of two windows, beside the windows themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from whydrift.discovery.graph import Graph
from whydrift.discovery.knowledge import Knowledge
from whydrift.monitor.diagnosis.judgement import Floor
from whydrift.monitor.diagnosis.local_time import LocalTime
from whydrift.monitor.diagnosis.losses import CustomLoss
from whydrift.monitor.diagnosis.mechanism.base import MechanismTest
from whydrift.monitor.diagnosis.prediction_row import Model

__all__ = ["Question"]


@dataclass(frozen=True)
class Question:
    """Roles of columns, what is known of their graph, and how sure one wants to be.

    The parameters are those of `compare`, which says what each means.
    """

    target: str | None
    prediction: str | None
    cluster: str | None
    loss: str | CustomLoss
    model: Model | None
    graph: Graph | None
    knowledge: Knowledge | None
    method: str
    test: str
    score: str
    make_test: Callable[[], MechanismTest]
    floor: Floor
    level: float
    fault_level: float
    random_state: int
    local: LocalTime
