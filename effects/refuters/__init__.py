"""Attempts to break an estimate: what must come out zero, what must not move, what is missing."""

from whydrift.effects.refuters.graph_falsification import GraphFalsification, falsify_graph
from whydrift.effects.refuters.refute import refute, refuted
from whydrift.effects.refuters.registry import refuter_names
from whydrift.effects.refuters.sensitivity import Sensitivity, sensitivity

__all__ = [
    "GraphFalsification",
    "Sensitivity",
    "falsify_graph",
    "refute",
    "refuted",
    "refuter_names",
    "sensitivity",
]
