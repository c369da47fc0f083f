"""``/metrics``: what the board and the counters say, in the formats of Prometheus."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from platform import python_version
from typing import Final

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from whydrift.monitor.service.board import Board, BoardView, MonitorView
from whydrift.monitor.service.counters import CheckCounts, Counted, Counters
from whydrift.monitor.service.families import FAMILIES, Family
from whydrift.monitor.service.series import (
    Block,
    Series,
    blocks_of,
    counted_series,
    fitting,
    service_series,
)

__all__ = ["MetricsCollector"]

_OPEN_METRICS: Final = "application/openmetrics-text"
_END: Final = b"# EOF\n"
_VERSIONS: Final = (python_version(), version("whydrift"))
_NONE: Final = CheckCounts()

_Texts = Mapping[str, str]  # lines of each family


class MetricsCollector(Collector):
    """Tells Prometheus what the board and the counters say; computes and asks nothing.

    Families are made anew from the view: of a monitor that the configuration lost, no series
    remains. :meth:`metrics_text` writes the same as ``prometheus_client`` would, and keeps the
    lines of each monitor that did not change: a scrape of hundreds of monitors takes milliseconds.

    Parameters
    ----------
    board : Board
    counters : Counters
    """

    def __init__(self, board: Board, counters: Counters) -> None:
        self._board = board
        self._counters = counters
        self._lock = threading.Lock()
        self._view: BoardView | None = None
        self._blocks: dict[str, tuple[MonitorView, tuple[Block, ...]]] = {}
        self._kept: dict[str, tuple[Block, ...]] = {}
        self._omitted: dict[str, int] = {}
        self._lines: dict[str, tuple[tuple[Block, ...], _Texts]] = {}
        self._counted: dict[str, tuple[CheckCounts, _Texts]] = {}
        self._process = CollectorRegistry()
        ProcessCollector(registry=self._process)
        PlatformCollector(registry=self._process)
        GCCollector(registry=self._process)

    def describe(self) -> Iterator[Metric]:
        """Yield all families without series: registering must not collect."""
        for family in FAMILIES.values():
            yield _metric(family)

    def collect(self) -> Iterator[Metric]:
        """Yield the families that have series now."""
        counted = self._counters.read()
        with self._lock:
            view = self._look()
            of_store = [s for blocks in self._kept.values() for b in blocks for s in b.series]
            omitted = dict(self._omitted)
        of_checks = (
            series
            for name in view.monitors
            for series in counted_series(name, counted.checks.get(name, _NONE))
        )
        metrics: dict[str, Metric] = {}
        for series in (*of_store, *of_checks, *service_series(view, counted, omitted, _VERSIONS)):
            family = FAMILIES[series.family]
            metric = metrics.setdefault(series.family, _metric(family))
            labels = dict(zip(family.labels, series.labels, strict=True))
            if series.suffix == "_bucket":
                labels["le"] = series.bound
            metric.add_sample(series.family + series.suffix, labels, float(series.value))
        yield from (metrics[name] for name in FAMILIES if name in metrics)

    def metrics_text(self, accept: str | None = None) -> tuple[bytes, str]:
        """Return the answer to a scrape, those of this process (``process_*``) too.

        Parameters
        ----------
        accept : str, optional
            The header of the request: OpenMetrics where it is asked for, else the text format.

        Returns
        -------
        body : bytes
        content_type : str
        """
        encode, content_type = choose_encoder(accept or "")
        is_open = content_type.startswith(_OPEN_METRICS)
        counted = self._counters.read()
        with self._lock:
            view = self._look()
            texts = [self._texts(name, blocks) for name, blocks in self._kept.items()]
            texts += [self._counts(name, counted) for name in view.monitors]
            omitted = dict(self._omitted)
        texts.append(_written(service_series(view, counted, omitted, _VERSIONS)))
        parts = []
        for name, family in FAMILIES.items():
            lines = [text[name] for text in texts if name in text]
            if lines:
                parts.append(_header(family, is_open=is_open))
                parts.extend(lines)
        ours = "".join(parts).encode()
        process: bytes = encode(self._process)
        assert not is_open or process.endswith(_END)
        return ours + process, content_type

    def _look(self) -> BoardView:
        """Take up the newest view: of monitors that changed, the blocks are made anew."""
        view = self._board.view
        if view is self._view:
            return view
        blocks = {}
        for name, monitor in view.monitors.items():
            known = self._blocks.get(name)
            is_same = known is not None and known[0] is monitor
            blocks[name] = known if known and is_same else (monitor, blocks_of(monitor))
        self._blocks = blocks
        most = 0 if view.limits is None else view.limits.max_series
        self._kept, self._omitted = fitting({n: b for n, (_, b) in blocks.items()}, most)
        self._lines = {name: known for name, known in self._lines.items() if name in blocks}
        self._counted = {name: known for name, known in self._counted.items() if name in blocks}
        self._view = view
        return view

    def _texts(self, name: str, blocks: tuple[Block, ...]) -> _Texts:
        known = self._lines.get(name)
        if known is None or not _same(known[0], blocks):
            known = (blocks, _written(s for block in blocks for s in block.series))
            self._lines[name] = known
        return known[1]

    def _counts(self, name: str, counted: Counted) -> _Texts:
        counts = counted.checks.get(name, _NONE)
        known = self._counted.get(name)
        if known is None or known[0] is not counts:
            known = (counts, _written(counted_series(name, counts)))
            self._counted[name] = known
        return known[1]


def _same(a: tuple[Block, ...], b: tuple[Block, ...]) -> bool:
    """Whether these are the very same blocks; comparing their numbers would take longer."""
    return a is b or (len(a) == len(b) and all(x is y for x, y in zip(a, b, strict=True)))


def _metric(family: Family) -> Metric:
    return Metric(family.name.removesuffix("_total"), family.documentation, family.kind)


def _written(series: Iterable[Series]) -> dict[str, str]:
    """Return the lines of each family."""
    lines: dict[str, list[str]] = {}
    for one in series:
        lines.setdefault(one.family, []).append(_line(one))
    return {family: "".join(written) for family, written in lines.items()}


def _line(series: Series) -> str:
    names = FAMILIES[series.family].labels
    pairs = [f'{n}="{_escaped(v)}"' for n, v in zip(names, series.labels, strict=True)]
    if series.bound:
        pairs.append(f'le="{series.bound}"')
        pairs.sort()  # by name, as prometheus_client writes them
    labels = f"{{{','.join(pairs)}}}" if pairs else ""
    value: str = floatToGoString(series.value)  # type: ignore[no-untyped-call]
    return f"{series.family}{series.suffix}{labels} {value}\n"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _header(family: Family, *, is_open: bool) -> str:
    name = family.name.removesuffix("_total") if is_open else family.name
    return f"# HELP {name} {family.documentation}\n# TYPE {name} {family.kind}\n"
