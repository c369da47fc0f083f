"""Numbers as a person reads them."""

from __future__ import annotations

from typing import Protocol

from whydrift.monitor.diagnosis.words import p_text

__all__ = ["p_value_text", "signed", "with_interval"]


class _Interval(Protocol):
    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...


def signed(value: float) -> str:
    """Return a change with its sign and three digits."""
    return f"{value:+.3g}"


def with_interval(estimate: _Interval, *, signed: bool = False) -> str:
    """Return an estimate with its interval, where it has one."""
    sign = "+" if signed else ""
    text = f"{estimate.value:{sign}.3g}"
    if estimate.low is None or estimate.high is None:
        return text
    return f"{text} [{estimate.low:{sign}.3g}, {estimate.high:{sign}.3g}]"


def p_value_text(value: float | None) -> str:
    """Return a p-value with two digits, an absent one as nothing."""
    return "" if value is None else p_text(value)
