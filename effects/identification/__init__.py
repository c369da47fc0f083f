"""Can the effect be had at all, and from which columns: what a graph says."""

from whydrift.effects.identification.given import adjustment_fault, instrument_fault
from whydrift.effects.identification.identify import Identification, Strategy, identify
from whydrift.effects.identification.plan import GraphPlan, judge_given, plan_from_graph

__all__ = [
    "GraphPlan",
    "Identification",
    "Strategy",
    "adjustment_fault",
    "identify",
    "instrument_fault",
    "judge_given",
    "plan_from_graph",
]
