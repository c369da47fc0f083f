"""The expressions of the committed dashboards, as Grafana would send them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from whydrift.monitor.service.dashboards import dashboard_texts

# What Grafana fills in of its own.
BUILT_IN = {
    "$__rate_interval": "1m",
    "$__interval": "15s",
    "$__range": "1h",
}


def dashboards() -> dict[str, dict[str, Any]]:
    return {name: json.loads(text) for name, text in dashboard_texts().items()}


def filled(expr: str, chosen: Mapping[str, str]) -> str:
    """Return an expression with its variables filled in; one that is unknown fails."""
    for name, value in {**BUILT_IN, **{f"${k}": v for k, v in chosen.items()}}.items():
        expr = expr.replace(name, value)
    assert not re.search(r"\$[a-z_{]", expr), expr
    return expr


def expressions(chosen: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield what each panel asks, named by dashboard and title."""
    for name, dashboard in dashboards().items():
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                where = f"{name}, {panel['title']}, {target['refId']}"
                yield where, filled(target["expr"], chosen)


def annotations(chosen: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, dashboard in dashboards().items():
        for annotation in dashboard.get("annotations", {}).get("list", []):
            yield f"{name}, annotation {annotation['name']}", filled(annotation["expr"], chosen)


def metrics_of(expr: str) -> set[str]:
    """Return the names of whydrift's metrics in an expression."""
    return set(re.findall(r"(?<![\w:])whydrift_\w+", expr))
