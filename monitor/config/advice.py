"""What a configuration may say, and yet is seldom meant: told, never refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from whydrift.monitor.diagnosis.mechanism.between_windows import LEAST_WINDOWS
from whydrift.monitor.source.address import masked
from whydrift.monitor.window.calendar import TimeWindows
from whydrift.monitor.window.reference import FixedReference, LastWindows, Same

if TYPE_CHECKING:
    from whydrift.monitor.config.load import Reading
    from whydrift.monitor.config.model import Config
    from whydrift.monitor.config.monitor import Monitor
    from whydrift.monitor.strict_yaml import Place

__all__ = ["Advice", "advice", "past_windows"]

_DAY: Final = 86_400.0
_SERIES_A_COLUMN: Final = 6  # shift of three kinds, effect, q-value, contribution


@dataclass(frozen=True, slots=True)
class Advice:
    """Something to think over.

    Parameters
    ----------
    what : str
        What is said, and what comes of it.
    where : str
        File, line and key.
    remedy : str
    """

    what: str
    where: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}. {self.remedy}"

    def to_dict(self) -> dict[str, str]:
        """Return it as JSON holds it."""
        return {"what": self.what, "where": self.where, "remedy": self.remedy}


@dataclass(frozen=True, slots=True)
class _Found:
    what: str
    remedy: str
    path: Place


def advice(reading: Reading) -> tuple[Advice, ...]:
    """Return all advice on a configuration that can be read, in the order of its lines.

    Parameters
    ----------
    reading : Reading
        With a configuration.
    """
    config, documents = reading.config, reading.documents
    assert config is not None and documents is not None
    found = [item for look in _LOOKS for item in look(config, reading)]
    found.sort(key=lambda item: documents.order(item.path))
    return tuple(Advice(f.what, reading.place(*f.path), f.remedy) for f in found)


def past_windows(monitor: Monitor) -> float | None:
    """Return how many past windows a full reference has; None where nobody knows before."""
    rule, windows = monitor.reference.rule(monitor.window.timezone), monitor.window.cut()
    every = float(windows.every.least_seconds) if isinstance(windows, TimeWindows) else None
    match rule:
        case LastWindows(last=int(last)):
            return float(last)
        case LastWindows(last=last, same=same) if every is not None and not isinstance(last, int):
            count = last.least_seconds / every
            a_day = max(1.0, _DAY / every)
            if same in {Same.WEEKDAY, Same.WEEKDAY_AND_HOUR}:
                count /= max(1.0, 7 * _DAY / max(every, _DAY))
            if same in {Same.HOUR, Same.WEEKDAY_AND_HOUR}:
                count /= a_day
            return count
        case FixedReference(stretch=stretch) if every is not None:
            return stretch.length.total_seconds() / every
        case _:
            return None


def _windows(config: Config, reading: Reading) -> Iterator[_Found]:
    for place, monitor in enumerate(config.monitors):
        at, window = ("monitors", place), monitor.window
        source = config.source_of(monitor.source)
        if window.rows is None and source.time_column is None and source.plugin is None:
            yield _Found(
                f"the rows of {monitor.name!r} have no time: no window of it can be judged",
                "Write time_column: COLUMN under its source",
                (*at, "source"),
            )
        delay, labels = window.delay.least_seconds, window.label_delay.least_seconds
        if 0 < labels < delay:
            yield _Found(
                f"labels are waited for {window.label_delay}, rows longer ({window.delay})",
                "Write the time from a window's end until its labels are in, or leave it out",
                (*at, "window", "label_delay"),
            )
        if labels and monitor.columns.target is None:
            yield _Found(
                f"{monitor.name!r} waits for labels and names no target",
                "Write columns: {target: COLUMN}, or leave label_delay out",
                (*at, "window", "label_delay"),
            )
        if not delay and not monitor.late.allow.least_seconds and window.rows is None:
            yield _Found(
                f"{monitor.name!r} is judged the moment a window ends: rows written later are "
                "never seen",
                "Write window: {delay: 1h}, or late: {allow: 1d}",
                (*at, "window"),
            )


def _references(config: Config, reading: Reading) -> Iterator[_Found]:
    for place, monitor in enumerate(config.monitors):
        count = past_windows(monitor)
        if count is not None and count < LEAST_WINDOWS:
            yield _Found(
                f"the reference of {monitor.name!r} has {_number(count)} windows: with fewer than "
                f"{LEAST_WINDOWS} nobody knows how much ordinary ones differ, so that they alarm "
                "more often (sampling_only)",
                f"Write at least reference: {{last: {LEAST_WINDOWS}}}",
                ("monitors", place, "reference"),
            )


def _series(config: Config, reading: Reading) -> Iterator[_Found]:
    metrics = config.metrics
    segments = sum(
        min(m.segments.top + 1, metrics.max_segments) for m in config.monitors if m.segments
    )
    units = len(config.monitors) + (segments if metrics.segment_columns else 0)
    most = units * metrics.max_columns * _SERIES_A_COLUMN
    if most > metrics.max_series:
        yield _Found(
            f"monitors, segments and columns may come to {most:,} series, of which "
            f"{metrics.max_series:,} are shown: columns without a verdict are left out first",
            "Lower metrics.max_columns or max_segments, or raise max_series",
            ("metrics",),
        )


def _notifiers(config: Config, reading: Reading) -> Iterator[_Found]:
    for place, notifier in enumerate(config.notify):
        if notifier.alertmanager is not None:
            yield _Found(
                f"{notifier.name!r} is told directly. Where a Prometheus evaluates the rules of "
                "`whydrift export rules` too, Alertmanager holds one alert for both only if no "
                "external_labels differ, and the rules were exported with this configuration",
                "Where there is a Prometheus, let its rules alert alone",
                ("notify", place, "alertmanager"),
            )
    if config.notify and config.web.external_url is None:
        yield _Found(
            "alerts will not link to reports: nobody knows under which address people reach them",
            "Write web: {external_url: https://…}",
            ("notify",),
        )


def _secrets(config: Config, reading: Reading) -> Iterator[_Found]:
    """Find secrets that stand in the file, where backups and repositories keep them."""
    for part in ("store", "sources", "monitors", "notify"):
        for path, text in _kept_secret(getattr(config, part), (part,)):
            if path not in reading.from_outside and _is_secret(path, text):
                yield _Found(
                    "this secret stands in the file, where backups and repositories keep it",
                    "Write ${NAME} of an environment variable, or {file: /run/secrets/name}",
                    path,
                )


def _kept_secret(value: Any, path: Place) -> Iterator[tuple[Place, str]]:
    """Yield every value that is masked where it is shown, and its place."""
    from pydantic import BaseModel, SecretStr

    if isinstance(value, SecretStr):
        yield path, value.get_secret_value()
    elif isinstance(value, BaseModel):
        for name in value.model_fields_set:
            key = type(value).model_fields[name].alias or name
            yield from _kept_secret(getattr(value, name), (*path, key))
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _kept_secret(item, (*path, name))
    elif isinstance(value, tuple):
        for place, item in enumerate(value):
            yield from _kept_secret(item, (*path, place))


def _is_secret(path: Place, text: str) -> bool:
    """Whether it is more than an address without a password in it."""
    if "slack" in path or path[-1] in {"secret", "token", "routing_key"}:
        return True
    return masked(text) != text


_LOOKS: Final[tuple[Callable[[Config, Reading], Iterator[_Found]], ...]] = (
    _windows,
    _references,
    _series,
    _notifiers,
    _secrets,
)


def _number(count: float) -> str:
    return f"{count:.0f}" if count == int(count) else f"{count:.1f}"
