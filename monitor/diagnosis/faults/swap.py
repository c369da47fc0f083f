"""Two columns that changed places, in the whole window or from some row on."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.diagnosis import Fault, FaultKind
from whydrift.monitor.diagnosis.faults.base import (
    MOST_COLUMNS,
    Finding,
    Suspects,
    sorted_ks_distance,
)
from whydrift.monitor.diagnosis.faults.late import begins, in_the_last
from whydrift.monitor.diagnosis.faults.profile import context

__all__ = ["swap", "swap_limits"]

_LEAST_GAIN = 30.0
# Standard errors of a chance gain that a pair has to exceed: as the best of all pairs on the rows
# it is chosen on, and once more, alone, on the others.
_CHOSEN, _CHECKED = 4.0, 2.0
_BINS = 10  # of sizes, for telling since when


def swap(suspects: Suspects) -> list[Finding]:
    """Find pairs of columns that fit the reference once exchanged, and not before.

    A swap of columns that look alike shows in what each is correlated with, not in their
    distributions; both count here. Looked for in the whole window, then in its later parts: from
    some row on.
    """
    names = suspects.names[:MOST_COLUMNS]
    if len(names) < 3:
        return []
    rows = len(suspects.current.sample)
    reference = _Side(suspects, names, slice(None), is_reference=True)
    found: list[Finding] = []
    taken: set[str] = set()
    halves = slice(0, rows // 2), slice(rows // 2, rows)
    for a, b, checked in _exchanged(suspects, reference, names, halves):
        if not taken & {a, b}:
            taken |= {a, b}
            found.append(_finding(suspects, a, b, checked, 0))
    for start, stepped in suspects.stepped.items():
        # A part may begin before the fault does: every second row has as much of it as the others.
        halves = slice(start, None, 2), slice(start + 1, None, 2)
        likely = tuple(n for n in names if n in stepped and n not in taken)
        for a, b, checked in _exchanged(suspects, reference, likely, halves):
            since = begins(_speaks(reference, suspects.current, a, b), start)
            if since is not None and not taken & {a, b}:
                taken |= {a, b}
                found.append(_finding(suspects, a, b, checked, since))
    return found


def _finding(suspects: Suspects, a: str, b: str, checked: _Gain, since: int) -> Finding:
    window = suspects.current
    bad = np.arange(len(window.sample)) >= since
    share = float(bad.mean())
    evidence = (
        f"{a!r} and {b!r} seem to have changed places{in_the_last(share)}: exchanged back, "
        f"{checked.value / checked.before:.0%} of their difference to the reference is gone"
    )
    fault = Fault(FaultKind.SWAP, (a, b), share, evidence, repaired=True)
    first, second = window.column(a), window.column(b)
    repairs = {a: np.where(bad, second, first), b: np.where(bad, first, second)}
    return Finding(fault, repairs, bad if since else None)


def _exchanged(
    suspects: Suspects, reference: _Side, likely: tuple[str, ...], halves: tuple[slice, slice]
) -> list[tuple[str, str, _Gain]]:
    """Return pairs that changed places in some rows, and what exchanging brings, best first.

    Chosen on one half of these rows, checked on the other.
    """
    if len(likely) < 2:
        return []
    names = reference.names
    current = _Side(suspects, names, halves[0], is_reference=False)
    moved = {n for n in likely if _moved(*_discrepancy(reference, current, n, n, ()))}
    chosen: list[tuple[str, str, _Gain]] = []
    for a, b in combinations(likely, 2):
        if a not in moved or b not in moved or not _alike(suspects, a, b):
            continue
        gain = _gain(reference, current, a, b)
        if _holds(gain, _CHOSEN):
            chosen.append((a, b, gain))
    if not chosen:
        return []
    others = _Side(suspects, names, halves[1], is_reference=False)
    checked = [(gain.value, a, b, _gain(reference, others, a, b)) for a, b, gain in chosen]
    held = [c for c in checked if _holds(c[3], _CHECKED)]
    return [(a, b, again) for _, a, b, again in sorted(held, key=lambda c: -c[0] - c[3].value)]


def _speaks(reference: _Side, window: Snapshot, a: str, b: str) -> FloatArray:
    """Return for each row how much it looks as if two columns had changed places.

    By what they go with and by their sizes: as far below 0 on average where each is in its place
    as above 0 where they are exchanged.

    Returns
    -------
    ndarray of shape (n_rows,)
    """
    names, schema = reference.names, reference.window.schema
    features = context(window, names, slice(None), schema)
    others = [n for n in names if n not in (a, b)]
    rest = np.column_stack([features[n] for n in others])
    columns = np.concatenate([np.arange(reference.width)[reference.block[n]] for n in others])
    correlation = reference.correlation
    apart = (
        correlation[reference.block[b]][:, columns] - correlation[reference.block[a]][:, columns]
    )
    company = ((features[a] - features[b]) @ apart * rest).sum(axis=1)
    size = np.zeros(len(rest))
    places = np.linspace(0, 1, _BINS + 1)[1:-1]
    recorded = [reference.window.column(n) for n in (a, b)]
    known = np.concatenate(recorded)
    edges = np.unique(np.quantile(known[np.isfinite(known)], places))
    usual_a, usual_b = (_shares(values, edges) for values in recorded)
    for name, sign in ((a, 1.0), (b, -1.0)):
        values = window.column(name)
        bins = np.searchsorted(edges, values, "right")
        size += sign * np.where(np.isfinite(values), np.log(usual_b / usual_a)[bins], 0.0)
    out: FloatArray = company + size
    return out


def _shares(values: FloatArray, edges: FloatArray) -> FloatArray:
    """Return the share of values between each two edges, none of it 0."""
    bins = np.searchsorted(edges, values[np.isfinite(values)], "right")
    counts = np.bincount(bins, minlength=len(edges) + 1) + 0.5
    out: FloatArray = counts / counts.sum()
    return out


def swap_limits(names: tuple[str, ...]) -> tuple[Note, ...]:
    """Return a note where there are more columns than are looked at for swaps."""
    if len(names) <= MOST_COLUMNS:
        return ()
    text = (
        f"columns that changed places are looked for among the first {MOST_COLUMNS} of "
        f"{len(names)} only"
    )
    return (Note("swaps_not_searched", None, text),)


class _Side:
    """One window's columns and their dependence."""

    def __init__(
        self, suspects: Suspects, names: tuple[str, ...], rows: slice, *, is_reference: bool
    ) -> None:
        self.window = suspects.reference if is_reference else suspects.current
        self.slice = rows
        self.names = names
        features = context(self.window, names, rows, suspects.reference.schema)
        stacked = np.column_stack(list(features.values()))
        ends = np.cumsum([block.shape[1] for block in features.values()])
        self.block = {
            name: slice(int(end) - features[name].shape[1], int(end))
            for name, end in zip(features, ends, strict=True)
        }
        self.rows, self.width = stacked.shape
        self.correlation: FloatArray = stacked.T @ stacked / self.rows
        self._ordered: dict[str, FloatArray] = {}
        self._distances: dict[tuple[str, str], float] = {}

    def ordered(self, name: str) -> FloatArray:
        """Return a column's values, ascending."""
        if name not in self._ordered:
            self._ordered[name] = self.window.ascending(name, self.slice)
        return self._ordered[name]

    def distance(self, reference: _Side, as_column: str, recorded: str) -> float:
        """Return how far a recorded column is distributed from one of the reference's."""
        key = as_column, recorded
        if key not in self._distances:
            usual = reference.ordered(as_column)
            self._distances[key] = sorted_ks_distance(usual, self.ordered(recorded))
        return self._distances[key]


def _moved(discrepancy: float, terms: int) -> bool:
    """Whether a column is further from the reference's than chance would have it."""
    return bool(discrepancy > max(_LEAST_GAIN / 2, terms + 2 * (2 * terms) ** 0.5))


def _alike(suspects: Suspects, a: str, b: str) -> bool:
    first, second = suspects.reference.schema[a], suspects.reference.schema[b]
    if first.kind.is_discrete != second.kind.is_discrete:
        return False
    # Columns of different categories that change places show up as unknown categories.
    same_codes = first.categories == second.categories
    return same_codes or not first.kind.is_discrete


def _discrepancy(
    reference: _Side, current: _Side, as_column: str, recorded: str, left_out: tuple[str, ...]
) -> tuple[float, int]:
    """Return how far the recorded column is from being ``as_column``, and its terms.

    By chance each of the terms is about χ² with one degree of freedom.
    """
    scale = 1 / (1 / reference.rows + 1 / current.rows)
    gap = (
        reference.correlation[reference.block[as_column]]
        - current.correlation[current.block[recorded]]
    )
    others = np.ones(gap.shape[1], dtype=bool)
    for name in {as_column, recorded, *left_out}:
        others[reference.block[name]] = False
    apart = float((gap[:, others] ** 2).sum())
    marginal = current.distance(reference, as_column, recorded)
    return scale * (apart + 4 * marginal**2), len(gap) * int(others.sum()) + 1


@dataclass(frozen=True, slots=True)
class _Gain:
    """What exchanging two columns brings: their discrepancy before and after, of so many terms."""

    before: float
    after: float
    terms: int

    @property
    def value(self) -> float:
        return self.before - self.after


def _gain(reference: _Side, current: _Side, a: str, b: str) -> _Gain:
    parts = [
        _discrepancy(reference, current, a, a, (b,)),
        _discrepancy(reference, current, b, b, (a,)),
        _discrepancy(reference, current, a, b, ()),
        _discrepancy(reference, current, b, a, ()),
    ]
    before, after = parts[0][0] + parts[1][0], parts[2][0] + parts[3][0]
    return _Gain(before, after, parts[0][1] + parts[1][1])


def _holds(gain: _Gain, errors: float) -> bool:
    """Whether the gain is more than chance, and what is left after it is not."""
    by_chance = 2 * gain.terms**0.5  # sd of the difference of two χ², each with so many terms
    leftover = gain.terms + 2 * by_chance + 0.2 * max(0.0, gain.before - gain.terms)
    return bool(gain.value > max(_LEAST_GAIN, errors * by_chance) and gain.after < leftover)
