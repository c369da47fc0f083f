"""whydrift, with the true graph, and with a learned one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import pandas as pd

import whydrift as wd
from methods.base import Answer, Method, minus_log10
from methods.frozen_model import PREDICTION, with_prediction

__all__ = ["METHODS"]

_WORDS = {
    "source": "mechanism",
    "mechanism": "mechanism",
    "fault": "mechanism",
    "stable": "none",
    "undetermined": "none",
    "inherited": "inherited",
}


def _answer(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    meta: Mapping[str, Any],
    floor: float,
    *,
    graph: str,
) -> Answer:
    target = meta["target"]  # None where no column stands out
    options: dict[str, Any] = {}
    if graph == "true":
        options["graph"] = [tuple(edge) for edge in meta["edges"]]
    elif graph == "target last":
        features = [c for c in meta["columns"] if c != target]
        options["knowledge"] = wd.Knowledge(tiers=(features, (target,)))
    if meta.get("measure", {}).get("kind") == "squared-error":
        reference, current = (with_prediction(w, meta["measure"]) for w in (reference, current))
        options |= {"prediction": PREDICTION, "loss": "squared_error"}
    diagnosis = wd.compare(reference, current, target=target, floor=floor, **options)
    columns = diagnosis.columns
    # The yardstick counts a faulty column as a changed mechanism, for the target's verdict too.
    moved = set(diagnosis.ranking)
    above = set() if target is None else diagnosis.graph.ancestors(target)
    own, upstream = target in moved, bool(moved & above)
    verdict = (
        "both" if own and upstream else "mechanism" if own else "covariate" if upstream else "none"
    )
    nodes = {}
    for name in meta["columns"]:
        column = columns[name]
        part = column.contribution
        nodes[name] = {
            "verdict": _WORDS[column.verdict.value],
            "undetermined": column.verdict.value == "undetermined",
            "score": minus_log10(column.p_value),
            "confidence": column.confidence,
            "contribution": None if part is None else part.value,
            "contribution_low": None if part is None else part.low,
            "contribution_high": None if part is None else part.high,
        }
    edges = [
        [edge.a, edge.b, edge.confidence]
        for edge in diagnosis.graph
        if edge.mark == "-->" and edge.confidence is not None and graph != "true"
    ]
    ranking = list(diagnosis.suspects)
    return {"nodes": nodes, "target_verdict": verdict, "ranking": ranking, "edges": edges}


METHODS = (
    Method("whydrift, true graph", partial(_answer, graph="true")),
    Method("whydrift, learned, target last", partial(_answer, graph="target last")),
    Method("whydrift, learned", partial(_answer, graph="learned")),
)
