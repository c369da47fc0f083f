"""Guesses which columns are target, prediction, time and cluster, from names and kinds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from whydrift.discovery.snapshot.schema import Column, ColumnKind
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["Suspects", "prediction_of", "suspect_roles"]

_TARGETS = ("target", "label", "labels", "y", "y_true", "outcome", "ground_truth", "churn",
            "churned", "default", "is_fraud", "fraud", "clicked", "converted")  # fmt: skip
_PREDICTION = re.compile(r"(^|_)(pred|prediction|predicted|y_?hat|y_pred|score)($|_)|_hat$", re.I)
_STEM = re.compile(r"^(pred|prediction|predicted)_|_(hat|pred|prediction|predicted|score)$", re.I)
_TIME = re.compile(r"(^|_)(time|timestamp|date|day|ts|at)$", re.IGNORECASE)
_CLUSTER = re.compile(r"(^|_)(user|customer|client|account|session|device|patient)(_?id)?$", re.I)
_LEAST_CLUSTERS = 30  # of fewer none can tell how much they vary
_VERSION = re.compile(r"(^|_)(model_)?version$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Suspects:
    """Columns that look like they play a role; None where none does."""

    target: str | None = None
    prediction: str | None = None
    time: str | None = None
    cluster: str | None = None
    version: str | None = None
    ignored: tuple[str, ...] = ()


def suspect_roles(snapshot: Snapshot) -> Suspects:
    """Return guesses, for a person to check: nothing is decided by them.

    Parameters
    ----------
    snapshot : Snapshot
        The window that was looked at.
    """
    schema = snapshot.schema
    modelled = {c.name: c for c in schema if c.kind.is_modelled}
    prediction = next((n for n in modelled if _PREDICTION.search(n)), None)
    lowered = {name.lower(): name for name in modelled}
    target = None
    if prediction is not None:
        target = lowered.get(_STEM.sub("", prediction).lower())
        target = None if target == prediction else target
    if target is None:
        target = next((lowered[word] for word in _TARGETS if word in lowered), None)
    stamps = [c.name for c in schema if c.kind is ColumnKind.TIMESTAMP]
    time = next((n for n in stamps if _TIME.search(n)), stamps[0] if stamps else None)
    return Suspects(
        target=target,
        prediction=prediction,
        time=time,
        cluster=next((c.name for c in schema if _is_cluster(c, snapshot)), None),
        version=next((c.name for c in schema if _VERSION.search(c.name)), None),
        ignored=tuple(c.name for c in schema if c.kind in {ColumnKind.ID, ColumnKind.IGNORED}),
    )


def prediction_of(target: str, columns: Iterable[str]) -> str | None:
    """Return the column whose name says that it is a prediction of the target, if there is one."""
    return next(
        (n for n in columns if n != target and _STEM.sub("", n).lower() == target.lower()), None
    )


def _is_cluster(column: Column, snapshot: Snapshot) -> bool:
    """Whether a column looks like who rows are of: of three devices each is a kind of device."""
    if not _CLUSTER.search(column.name):
        return False
    counts = snapshot.summaries[column.name].category_counts
    return not counts or sum(rows > 0 for rows in counts) >= _LEAST_CLUSTERS
