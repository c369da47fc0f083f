"""The page's templates: how values become words, and names from the data harmless."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from whydrift.discovery.plain_text import clean
from whydrift.discovery.snapshot.schema import ColumnKind
from whydrift.monitor.diagnosis.diagnosis import ColumnResult, Effect, Estimate
from whydrift.monitor.diagnosis.words import is_conceivable, p_text, rows_text, sentence
from whydrift.monitor.report.axes import rounded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jinja2 import Template

__all__ = ["template"]

_SHORT = 20  # such words fit in any cell
# Where a long word may go on in the next line: after a mark, or where there is none for long.
_BREAKS = re.compile(r"(?<=[_./:-])(?=[^_./:-])|(?<=[^_./:-]{18})")


_OURS = "whydrift.monitor.report"


@cache
def template(name: str, package: str = _OURS) -> Template:
    """Return a template that escapes, and writes out what could not be seen.

    Parameters
    ----------
    name : str
    package : str
        Where it lies; it may include those of the report.
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=ChoiceLoader([PackageLoader(p) for p in dict.fromkeys((package, _OURS))]),
        autoescape=True,
        finalize=_visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "rounded": _rounded, "p": _p, "estimate": _estimate, "effect": _effect, "share": _share,
        "breakable": _breakable, "breakable_list": _breakable_list, "seen": _seen,
        "sentence": sentence, "percent": _percent, "p_equation": p_text, "rows": rows_text,
    }  # fmt: skip
    return environment.get_template(name)


def _visible(value: object) -> object:
    # Markup has been made by us, of text that was cleaned before.
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _breakable(text: str) -> Markup:
    return Markup(" ").join(_breakable_word(word) for word in clean(text).split(" "))


def _breakable_word(word: str) -> Markup:
    if len(word) <= _SHORT:
        return escape(word)
    return Markup("<wbr>").join(escape(part) for part in _BREAKS.split(word))


def _breakable_list(names: Iterable[str]) -> Markup:
    return Markup(", ").join(_breakable(name) for name in names)


def _rounded(value: float | None) -> str:
    return "–" if value is None else rounded(value)


def _p(value: float | None) -> str:
    if value is None:
        return "–"
    return p_text(value).removeprefix("p = ").removeprefix("p ")


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def _percent(share: float) -> str:
    return f"{share:.1%}" if share < 0.1 else f"{share:.0%}"


def _seen(column: ColumnResult) -> str:
    """Return the change that would have been detected, with its unit: of a share in points."""
    size = column.detectable_effect
    if size is None:
        return "–"
    is_share = ColumnKind(column.kind).is_discrete
    if not is_conceivable(size, is_share=is_share):
        return "none"
    return f"{100 * size:.2g} points" if is_share else f"{size:.2g} sd"


def _estimate(value: Estimate | None) -> str:
    if value is None:
        return "–"
    if value.low is None or value.high is None:
        return rounded(value.value)
    return f"{rounded(value.value)} ({rounded(value.low)} to {rounded(value.high)})"


def _effect(value: Effect | None) -> str:
    if value is None:
        return "–"
    return f"{value.value:+.2g} ({value.low:+.2g} to {value.high:+.2g}) {value.unit}"
