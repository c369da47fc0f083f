"""Two columns that changed places."""

from __future__ import annotations

from itertools import combinations

from whydrift.discovery.arrays import FloatArray
from whydrift.monitor.diagnosis.diagnosis import Fault, FaultKind
from whydrift.monitor.diagnosis.faults.base import Finding, Suspects, ks_distance
from whydrift.monitor.diagnosis.faults.profile import context, correlation_profile

__all__ = ["swap"]

_MOST_COLUMNS = 60
_LEAST_GAIN = 30.0


def swap(suspects: Suspects) -> list[Finding]:
    """Find pairs of columns that fit the reference once exchanged, and not before.

    A swap of columns that look alike shows in what each is correlated with, not in their
    distributions; both count here. Chosen on the first half of the rows, checked on the second.
    """
    names = suspects.names[:_MOST_COLUMNS]
    if len(names) < 3:
        return []
    rows = len(suspects.current.sample)
    halves = (slice(0, rows // 2), slice(rows // 2, rows))
    reference = _Side(suspects, names, slice(None), is_reference=True)
    current = [_Side(suspects, names, half, is_reference=False) for half in halves]
    plain = [{n: _discrepancy(reference, side, n, n, ()) for n in names} for side in current]
    moved = {n for n in names if plain[0][n] > _LEAST_GAIN / 2}
    by_chance = 2.0 * sum(f.shape[1] for f in reference.features.values())
    candidates = []
    for a, b in combinations(names, 2):
        if a not in moved or b not in moved or not _alike(suspects, a, b):
            continue
        gains = [_gain(reference, side, a, b) for side in current]
        if all(
            gain > _LEAST_GAIN and left < 0.2 * before + by_chance for gain, left, before in gains
        ):
            candidates.append((sum(g[0] for g in gains), a, b, gains))
    found: list[Finding] = []
    taken: set[str] = set()
    for _, a, b, gains in sorted(candidates, reverse=True):
        if taken & {a, b}:
            continue
        taken |= {a, b}
        left = gains[1][1] / gains[1][2]
        evidence = (
            f"{a!r} and {b!r} seem to have changed places: exchanged back, "
            f"{1 - left:.0%} of their difference to the reference is gone"
        )
        fault = Fault(FaultKind.SWAP, (a, b), 1.0, evidence, repaired=True)
        repairs = {a: suspects.current.column(b), b: suspects.current.column(a)}
        found.append(Finding(fault, repairs))
    return found


class _Side:
    """One window's columns and their dependence."""

    def __init__(
        self, suspects: Suspects, names: tuple[str, ...], rows: slice, *, is_reference: bool
    ) -> None:
        self.names = names
        self.window = suspects.reference if is_reference else suspects.current
        self.slice = rows
        self.features = context(self.window, names, rows, suspects.reference.schema)
        self.rows = len(next(iter(self.features.values())))

    def values(self, name: str) -> FloatArray:
        return self.window.column(name)[self.slice]


def _alike(suspects: Suspects, a: str, b: str) -> bool:
    first, second = suspects.reference.schema[a], suspects.reference.schema[b]
    if first.kind.is_discrete != second.kind.is_discrete:
        return False
    # Columns of different categories that change places show up as unknown categories.
    same_codes = first.categories == second.categories
    return same_codes or not first.kind.is_discrete


def _discrepancy(
    reference: _Side, current: _Side, as_column: str, recorded: str, left_out: tuple[str, ...]
) -> float:
    """Return how far the recorded column is from being ``as_column``, about χ² under none."""
    scale = 1 / (1 / reference.rows + 1 / current.rows)
    others = tuple(n for n in reference.names if n not in {as_column, recorded, *left_out})
    gap = correlation_profile(reference.features, as_column, others) - correlation_profile(
        current.features, recorded, others
    )
    marginal = ks_distance(reference.values(as_column), current.values(recorded))
    return scale * (float(gap @ gap) + 4 * marginal**2)


def _gain(reference: _Side, current: _Side, a: str, b: str) -> tuple[float, float, float]:
    """Return the gain of exchanging two columns, what is left after it and what was before."""
    before = _discrepancy(reference, current, a, a, (b,)) + _discrepancy(
        reference, current, b, b, (a,)
    )
    after = _discrepancy(reference, current, a, b, ()) + _discrepancy(reference, current, b, a, ())
    return before - after, after, before
