"""Which new column of the current window may be one of the reference's under another name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.faults.base import ks_distance
from whydrift.monitor.diagnosis.faults.profile import context

__all__ = ["Alias", "aliases", "written_otherwise"]

_MOST_COLUMNS = 40  # gone or new, and those that their company is read off
_LEAST_ROWS = 50
# Ordinary drift of the distribution functions and of a correlation, and beyond it chance.
_GAP, _CORRELATION = 0.08, 0.05
_ERRORS = 3.5


@dataclass(frozen=True, slots=True)
class Alias:
    """A new column that may be one that is gone.

    Parameters
    ----------
    name : str
        The new column.
    gap : float
        Largest gap between the two distributions.
    company : float
        Largest difference of a correlation with another column.
    has_company : bool
        Whether the column that is gone is correlated with another one, so that this says anything.
    """

    name: str
    gap: float
    company: float
    has_company: bool


def written_otherwise(window: Snapshot, name: str) -> str | None:
    """Return a new column whose name differs in case or punctuation alone, if there is one."""
    for note in window.notes:
        other = note.column
        if note.code == "unknown_column" and other is not None and _bare(other) == _bare(name):
            return other
    return None


def _bare(name: str) -> str:
    return "".join(c for c in name.casefold() if c.isalnum())


def aliases(reference: Snapshot, whole: Snapshot, gone: Sequence[str]) -> dict[str, Alias]:
    """Return the likely new name of each column that is gone, where one column fits.

    A new column of the same type has to have nearly the same distribution, and to go with the
    columns that both windows have nearly as the one that is gone did.

    Parameters
    ----------
    reference : Snapshot
        With the columns that are gone.
    whole : Snapshot
        The current window read with a schema of its own, so that new columns are in it.
    gone : sequence of str
        Columns that the current window lacks.
    """
    rows = min(len(reference.sample), len(whole.sample))
    known = set(reference.schema.names)
    new = [c.name for c in whole.schema if c.kind.is_modelled and c.name not in known]
    new, lost = new[:_MOST_COLUMNS], [n for n in gone if reference.has(n)][:_MOST_COLUMNS]
    if rows < _LEAST_ROWS or not new or not lost:
        return {}
    error = float(np.sqrt(1 / len(reference.sample) + 1 / len(whole.sample)))
    most = _GAP + _ERRORS * error / 2, _CORRELATION + _ERRORS * error
    common = [
        n
        for n in reference.schema.modelled
        if reference.schema[n].kind.is_numeric
        and n in whole.schema
        and whole.schema[n].kind.is_numeric
    ][:_MOST_COLUMNS]
    company = _company(reference, common), _company(whole, common)
    fits: list[tuple[float, str, Alias]] = []
    for name in lost:
        for other in new:
            if reference.schema[name].kind.is_discrete != whole.schema[other].kind.is_discrete:
                continue
            found = _fit(reference, whole, name, other, company, most[1])
            if found.gap < most[0] and found.company < most[1]:
                fits.append((found.gap + found.company / 2, name, found))
    out: dict[str, Alias] = {}
    for _, name, found in sorted(fits, key=lambda fit: fit[0]):
        if name not in out and found.name not in {alias.name for alias in out.values()}:
            out[name] = found
    return out


def _company(window: Snapshot, names: Sequence[str]) -> FloatArray:
    """Return standardised scores of columns of numbers, shape (n_rows, n_names)."""
    features = context(window, tuple(names), slice(None), window.schema)
    return np.column_stack([np.empty((len(window.sample), 0)), *(features[n] for n in names)])


def _fit(
    reference: Snapshot,
    whole: Snapshot,
    name: str,
    other: str,
    company: tuple[FloatArray, FloatArray],
    most: float,
) -> Alias:
    """Compare two columns by their values and by what they go with."""
    before, after = reference.column(name), whole.column(other)
    if not reference.schema[name].kind.is_discrete:
        blocks = [
            context(window, (column,), slice(None), window.schema)[column]
            for window, column in ((reference, name), (whole, other))
        ]
        gap = ks_distance(before, after)
    else:
        labels = sorted({*reference.schema[name].categories, *whole.schema[other].categories})
        shares, blocks = [], []
        for window, column in ((reference, name), (whole, other)):
            counted = _counts(window, column)
            total = max(1, sum(counted.values()))
            shares.append(np.array([counted.get(label, 0) / total for label in labels]))
            blocks.append(_indicators(window, column, labels))
        gap = float(np.abs(shares[0] - shares[1]).sum() / 2)
    if not company[0].shape[1]:
        return Alias(other, gap, 0.0, has_company=False)
    with_others = [b.T @ c / len(c) for b, c in zip(blocks, company, strict=True)]
    has_company = bool(np.abs(with_others[0]).max() > most)
    return Alias(other, gap, float(np.abs(with_others[0] - with_others[1]).max()), has_company)


def _counts(window: Snapshot, name: str) -> Mapping[str, int]:
    counts = window.summaries[name].category_counts
    return dict(zip(window.schema[name].categories, counts, strict=False))


def _indicators(window: Snapshot, name: str, labels: Sequence[str]) -> FloatArray:
    """Return standardised indicators of the commonest labels, shape (n_rows, n_labels)."""
    codes = {label: code for code, label in enumerate(window.schema[name].categories)}
    values = window.column(name)
    out = np.column_stack(
        [(values == codes.get(label, -1)).astype(np.float64) for label in labels[:8]]
    )
    centred = out - out.mean(axis=0)
    spread = np.sqrt((centred**2).mean(axis=0))
    standardised: FloatArray = centred / np.where(spread > 1e-12, spread, 1.0)
    return standardised
