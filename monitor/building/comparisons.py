"""Judges many pairs of windows, wherever the work is done: of segments, or of past days."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from whydrift.discovery.snapshot.segments import REST, SegmentedSnapshots
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.building.cluster import Cancel, Cluster
from whydrift.monitor.building.one_process import OneProcess
from whydrift.monitor.diagnosis.diagnosis import Diagnosis
from whydrift.monitor.source.reading import never

__all__ = ["Judge", "Pair", "judge_each", "segment_pairs"]

# Judges a current window against past ones, such as `partial(compare, target="price")`.
Judge = Callable[[Sequence[Snapshot], Snapshot], Diagnosis]


@dataclass(frozen=True)
class Pair:
    """A window under judgement, and what it is judged against.

    Parameters
    ----------
    name : str
        Tells it from the others: a segment (empty for the whole), or a window.
    reference : tuple of Snapshot
        Past windows, in the order of time.
    current : Snapshot
        Read with the schema of the last of them.
    """

    name: str
    reference: tuple[Snapshot, ...]
    current: Snapshot


def segment_pairs(
    reference: Sequence[SegmentedSnapshots], current: SegmentedSnapshots
) -> tuple[Pair, ...]:
    """Return the whole, each segment and the rest, where there are rows to compare.

    Parameters
    ----------
    reference : sequence of SegmentedSnapshots
        Past windows with the same segments, in the order of time.
    current : SegmentedSnapshots
    """
    pairs = [Pair("", tuple(past.whole for past in reference), current.whole)]
    for key in current.choice.chosen:
        pasts = tuple(past.segments[key] for past in reference)
        pairs.append(Pair(key, pasts, current.segments[key]))
    pairs.append(Pair(REST, tuple(past.rest for past in reference), current.rest))
    filled = (
        Pair(pair.name, tuple(past for past in pair.reference if past.rows), pair.current)
        for pair in pairs
    )
    return tuple(pair for pair in filled if pair.reference and pair.current.rows)


def judge_each(
    pairs: Sequence[Pair], judge: Judge, *, on: Cluster | None = None, cancel: Cancel = never
) -> Iterator[tuple[str, Diagnosis]]:
    """Yield the name and the diagnosis of each pair, in their order.

    Parameters
    ----------
    pairs : sequence of Pair
    judge : callable
        Judges one of them.
    on : Cluster, optional
        Where: in this process by default.
    cancel : callable
        Asked between pairs whether to stop.

    Raises
    ------
    WhydriftError
        What ``judge`` raises; ``ClusterError`` and ``Cancelled`` as of the cluster.

    Notes
    -----
    A diagnosis travels as :meth:`Diagnosis.to_dict` writes it, wherever it was made: without the
    evidence that pictures are drawn from.
    """
    on = on or OneProcess()
    packed = [
        _Packed(p.name, tuple(past.to_bytes() for past in p.reference), p.current.to_bytes())
        for p in pairs
    ]
    for pair, found in zip(pairs, on.map(_Judging(judge), packed, cancel=cancel), strict=True):
        yield pair.name, Diagnosis.from_dict(found)


@dataclass(frozen=True)
class _Packed:
    """A pair as it travels."""

    name: str
    reference: tuple[bytes, ...]
    current: bytes

    @property
    def where(self) -> str:
        """Names it in messages."""
        return f"segment or window {self.name!r}"


@dataclass(frozen=True)
class _Judging:
    judge: Judge

    def __call__(self, pair: _Packed) -> dict[str, Any]:
        reference = [Snapshot.from_bytes(stored) for stored in pair.reference]
        return self.judge(reference, Snapshot.from_bytes(pair.current)).to_dict()
