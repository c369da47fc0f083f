"""What each row counts for: its weight, and the cluster it belongs to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.errors import SchemaError
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.schema import Role
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["ALIKE", "Evidence", "row_evidence"]


@dataclass(frozen=True)
class Evidence:
    """Weights and clusters of rows; None where all rows count the same, or stand alone.

    Parameters
    ----------
    weights : ndarray of shape (n_rows,), optional
        Zero or more, with mean 1.
    clusters : ndarray of int, shape (n_rows,), optional
        Numbers 0, 1, …: rows with the same number belong together.
    """

    weights: FloatArray | None = None
    clusters: IntArray | None = None


ALIKE = Evidence()  # rows that count the same and stand alone


def row_evidence(snapshot: Snapshot) -> tuple[Evidence, tuple[Note, ...]]:
    """Return what the columns with the roles ``weight`` and ``cluster`` say about the rows.

    A row whose weight is missing, negative or zero counts for nothing; one without a cluster key
    is a cluster of its own.

    Raises
    ------
    SchemaError
        If such a column is not in the sample, or no row has a usable weight.
    """
    weights, notes = _weights(snapshot)
    return Evidence(weights, _clusters(snapshot)), notes


def _weights(snapshot: Snapshot) -> tuple[FloatArray | None, tuple[Note, ...]]:
    name = snapshot.schema.with_role(Role.WEIGHT)
    if name is None:
        return None, ()
    values = _sampled(snapshot, name, "weight").astype(np.float64)
    if snapshot.schema[name].kind.is_discrete:  # the role was set after the window was read
        values = _decoded(values, snapshot.schema[name].categories)
    usable = np.isfinite(values) & (values > 0)
    if not usable.any():
        raise SchemaError(
            "no row has a positive weight",
            where=f"column {name!r} (weight)",
            remedy="Name a column of positive numbers, or none",
        )
    lost = int((~usable).sum())
    text = f"{lost} rows without a positive weight in {name!r} count for nothing"
    notes = (Note("unusable_weight", name, text),) if lost else ()
    # By the largest first, so that no sum overflows.
    scaled = np.where(usable, values, 0.0) / values[usable].max()
    return scaled / scaled.mean(), notes


def _clusters(snapshot: Snapshot) -> IntArray | None:
    name = snapshot.schema.with_role(Role.CLUSTER)
    if name is None:
        return None
    keys = _sampled(snapshot, name, "cluster")
    clusters: IntArray = np.unique(keys, return_inverse=True)[1].astype(np.int64)
    lone = ~np.isfinite(keys)
    clusters[lone] = clusters.max() + 1 + np.arange(lone.sum())
    return clusters


def _sampled(snapshot: Snapshot, name: str, role: str) -> FloatArray:
    if not snapshot.has(name):
        raise SchemaError(
            f"the {role} is of the kind {snapshot.schema[name].kind}, which the sample leaves out",
            where=f"column {name!r} ({role})",
            remedy=f"Give its role where the data are read: "
            f"Snapshot.from_frame(…, roles={{{name!r}: {role!r}}})",
        )
    return snapshot.column(name)


def _decoded(codes: FloatArray, categories: tuple[str, ...]) -> FloatArray:
    values = np.full(codes.shape, np.nan)
    present = np.isfinite(codes)
    values[present] = np.array([_number(label) for label in categories])[
        codes[present].astype(np.int64)
    ]
    return values


def _number(label: str) -> float:
    try:
        return float(label)
    except ValueError:
        return float("nan")
