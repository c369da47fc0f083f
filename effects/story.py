"""The story of an Effect: the same words, whatever the method."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from whydrift.discovery.plain_text import clean
from whydrift.effects.chart import Chart, Rule, Series
from whydrift.effects.check import Outcome
from whydrift.effects.words import interval_text, joined, number_text, p_text

if TYPE_CHECKING:
    from whydrift.effects.effect import Effect

__all__ = ["MARKS", "belief", "forest", "headline", "notebook_view", "number_line", "story"]

MARKS = {Outcome.PASS: "✓", Outcome.WARN: "!", Outcome.FAIL: "✗"}


def headline(effect: Effect) -> str:
    """Return the answer in one sentence."""
    what = f"Effect of {effect.treatment} on {effect.outcome}"
    if effect.value is None:
        return f"{what}: between {interval_text(effect.low, effect.high)}; the data say no more"
    units = f" {effect.units}" if effect.units else ""
    return f"{what}: {number_text(effect.value, signed=True)}{units} {uncertainty(effect)}".rstrip()


def uncertainty(effect: Effect) -> str:
    """Return the interval and the p-value, in brackets, where there are any."""
    parts = []
    if effect.low is not None or effect.high is not None:
        parts.append(f"{effect.level:.0%} interval {interval_text(effect.low, effect.high)}")
    if effect.p_value is not None:
        parts.append(p_text(effect.p_value))
    return f"({', '.join(parts)})" if parts else ""


def number_line(effect: Effect) -> str:
    """Return what the number is made of: method, rows, standard error, adjustment."""
    parts = [f"by {effect.method}", f"{effect.n:,} rows"]
    if effect.standard_error is not None:
        parts.append(f"standard error {number_text(effect.standard_error)}")
    if effect.adjustment:
        parts.append(f"adjusted for {joined(effect.adjustment, 6)}")
    return ", ".join(parts)


def belief(effect: Effect) -> str:
    """Return whether to rely on the number, by the checks."""
    if effect.failed:
        names = joined([check.name.replace("_", " ") for check in effect.failed])
        return f"Do not rely on this number: {names} failed"
    warned = [c.name.replace("_", " ") for c in effect.checks if c.outcome is Outcome.WARN]
    if warned:
        return f"No check failed; read what is said of {joined(warned)} before you rely on it"
    if effect.checks:
        return "No check failed; the assumptions cannot be checked, and are yours to defend"
    return "Nothing could be checked; the assumptions are yours to defend"


def story(effect: Effect) -> str:
    """Return the whole story as plain text."""
    lines = [headline(effect), f"  {effect.estimand.words}: {effect.estimand.symbols}"]
    lines.append(f"  {number_line(effect)}")
    if effect.reason:
        lines.append(f"  {effect.reason}")
    lines.append(belief(effect))
    lines += [
        f"  {MARKS[c.outcome]} {c.name.replace('_', ' ')}: {c.sentence}" for c in effect.checks
    ]
    lines += [f"Assumes: {sentence}" for sentence in effect.assumptions]
    lines += [f"Warning: {note.text}" for note in effect.warnings]
    return "\n".join(clean(line) for line in lines)


def forest(effect: Effect) -> Chart:
    """Return the estimate and its interval against no effect, as a chart."""
    value = effect.value
    middle = value if value is not None else ((effect.low or 0.0) + (effect.high or 0.0)) / 2
    units = f", {effect.units}" if effect.units else ""
    series = Series("", (middle,), (0.0,), (effect.low,), (effect.high,))
    return Chart(
        "estimate",
        headline(effect),
        f"effect on {effect.outcome}{units}",
        "",
        (series,),
        (Rule("x", 0.0, "no effect"),),
        (effect.method.replace("_", " "),),
    )


def notebook_view(effect: Effect) -> str:
    """Return a compact view for notebooks, with everything from the data escaped."""

    def text(value: str) -> str:
        return html.escape(clean(value))

    rows = "".join(
        f"<tr><td>{MARKS[c.outcome]}</td><td>{text(c.name.replace('_', ' '))}</td>"
        f'<td style="text-align:left">{text(c.sentence)}</td></tr>'
        for c in effect.checks
    )
    assumed = "".join(f"<li>{text(sentence)}</li>" for sentence in effect.assumptions)
    warned = "".join(f"<p>Warning: {text(note.text)}</p>" for note in effect.warnings)
    reason = f"<p>{text(effect.reason)}</p>" if effect.reason else ""
    return (
        f'<div style="max-width:50rem"><p><b>{text(headline(effect))}</b></p>'
        f"<p>{text(effect.estimand.words)}: {text(effect.estimand.symbols)}<br>"
        f"{text(number_line(effect))}</p>{reason}<p><b>{text(belief(effect))}</b></p>"
        f"<table><tbody>{rows}</tbody></table>{warned}"
        f"<details><summary>what it takes for granted</summary><ul>{assumed}</ul></details></div>"
    )
