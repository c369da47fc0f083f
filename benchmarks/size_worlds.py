"""Pairs of windows in which P(y | parents) is the same while the parents move.

For `size_under_shift.py`. The generators are this file's own: nothing in the product was tuned on
them at the seed reported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.signal import lfilter

__all__ = ["FAMILIES", "MOVES", "Family"]

Move = Callable[[np.random.Generator, np.ndarray], np.ndarray]
Draw = Callable[[np.random.Generator, int, Move], dict[str, np.ndarray]]


def _mixture(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    return x + 2.0 * (rng.random(x.shape[0]) < 0.5)


MOVES: dict[str, Move] = {
    "0 sd": lambda rng, x: x,
    "½ sd": lambda rng, x: x + 0.5,
    "1 sd": lambda rng, x: x + 1.0,
    "2 sd": lambda rng, x: x + 2.0,
    "sd × 2": lambda rng, x: 2.0 * x,
    "mixture": _mixture,
}


@dataclass(frozen=True)
class Family:
    """How one window is drawn, given how its parents moved."""

    name: str
    draw: Draw
    current_share: float = 1.0  # rows of the current window / of the reference
    cluster: str | None = None
    time: str | None = None
    series: int = 1  # that take turns, row by row


def _ar(rng: np.random.Generator, rows: int, rho: float = 0.8) -> np.ndarray:
    noise = rng.normal(size=rows + 100)
    return lfilter([np.sqrt(1 - rho**2)], [1.0, -rho], noise)[100:]


def _with_noise(
    rng: np.random.Generator,
    rows: int,
    move: Move,
    *,
    mean: Callable[[np.ndarray], np.ndarray] = lambda x: x,
    noise: Callable[[np.random.Generator, np.ndarray], np.ndarray] = lambda rng, x: rng.normal(
        size=x.size
    ),
) -> dict[str, np.ndarray]:
    x = move(rng, rng.normal(size=rows))
    return {"x": x, "y": mean(x) + noise(rng, x)}


def _two(rng: np.random.Generator, rows: int, move: Move) -> dict[str, np.ndarray]:
    shared = move(rng, rng.normal(size=rows))
    x = shared + 0.5 * rng.normal(size=rows)
    x2 = np.tanh(shared) + rng.normal(size=rows)
    return {"x": x, "x2": x2, "y": x * x2 / 2 + np.abs(x) + rng.normal(size=rows)}


def _zeros(rng: np.random.Generator, rows: int, move: Move) -> dict[str, np.ndarray]:
    x = move(rng, rng.normal(size=rows))
    some = rng.random(rows) < 1 / (1 + np.exp(0.5 - 0.7 * x))
    return {"x": x, "y": np.where(some, np.exp(0.5 * x + 0.5 * rng.normal(size=rows)), 0.0)}


def _classes(rng: np.random.Generator, rows: int, move: Move) -> dict[str, np.ndarray]:
    x = move(rng, rng.normal(size=rows))
    score = np.column_stack([np.zeros(rows), np.sin(1.5 * x), -0.7 * x]) + rng.gumbel(
        size=(rows, 3)
    )
    return {"x": x, "y": np.array(["a", "b", "c"])[score.argmax(axis=1)]}


def _mixed(rng: np.random.Generator, rows: int, move: Move) -> dict[str, np.ndarray]:
    x = move(rng, rng.normal(size=rows))
    kind = np.array(["a", "b", "c"])[
        (np.column_stack([np.zeros(rows), x, -x]) + rng.gumbel(size=(rows, 3))).argmax(axis=1)
    ]
    slope = np.select([kind == "a", kind == "b"], [0.0, 1.0], -1.0)
    return {"x": x, "x2": kind, "y": slope * x + rng.normal(size=rows)}


def _missing(rng: np.random.Generator, rows: int, move: Move) -> dict[str, np.ndarray]:
    out = _with_noise(rng, rows, move, mean=np.sin)
    gone = rng.random(rows) < 0.3 / (1 + np.exp(-1.5 * out["x"]))
    return {**out, "y": np.where(gone, np.nan, out["y"])}


def _series(rng: np.random.Generator, rows: int, move: Move) -> dict[str, np.ndarray]:
    x = move(rng, _ar(rng, rows))
    return {"x": x, "y": np.tanh(x) + _ar(rng, rows)}


def _curved_series(rng: np.random.Generator, rows: int, move: Move) -> dict[str, np.ndarray]:
    x = move(rng, _ar(rng, rows))
    return {"x": x, "y": np.sin(2 * x) + _ar(rng, rows)}


def _quiet_series(rng: np.random.Generator, rows: int, move: Move) -> dict[str, np.ndarray]:
    """Return little noise about a bent curve, beside which a misfit is large."""
    x = move(rng, _ar(rng, rows))
    return {"x": x, "y": np.sin(2 * x) + 0.3 * _ar(rng, rows)}


def _hidden_series(rng: np.random.Generator, rows: int, move: Move) -> dict[str, np.ndarray]:
    """Return a series beside so much of a parent in no order that the column hardly shows it."""
    x = move(rng, rng.normal(size=rows))
    return {"x": x, "y": 3 * x + 0.5 * _ar(rng, rows)}


def _buried_series(rng: np.random.Generator, rows: int, move: Move) -> dict[str, np.ndarray]:
    """Return noise of which a twentieth stays alike for a hundred rows."""
    x = move(rng, rng.normal(size=rows))
    slow = lfilter([np.sqrt(1 - 0.99**2)], [1.0, -0.99], rng.normal(size=rows + 1_000))[1_000:]
    return {"x": x, "y": x + np.sqrt(0.05) * slow + np.sqrt(0.95) * rng.normal(size=rows)}


def _uneven_series(rng: np.random.Generator, rows: int, move: Move) -> dict[str, np.ndarray]:
    x = move(rng, _ar(rng, rows))
    return {"x": x, "y": x + np.exp(0.4 * x) * _ar(rng, rows)}


def _clocked(
    rng: np.random.Generator, rows: int, move: Move, *, series: Draw = _series
) -> dict[str, np.ndarray]:
    """A series of a row a second or so, whose rate doubles by day."""
    steps = rng.exponential(size=rows)
    at = np.cumsum(steps * np.where(np.arange(rows) % 20_000 < 10_000, 1.5, 0.5))
    return {**series(rng, rows, move), "at": np.datetime64("2026-05-04") + _seconds(at)}


def _taking_turns(
    rng: np.random.Generator, rows: int, move: Move, *, series: int
) -> dict[str, np.ndarray]:
    """Return as many series side by side: a row of each, then the next of each."""
    length = rows // series + 1
    x, noise = (
        np.column_stack([_ar(rng, length) for _ in range(series)]).ravel()[:rows] for _ in "xy"
    )
    moved = move(rng, x)
    return {"x": moved, "y": moved + noise}


def _rare(rng: np.random.Generator, rows: int, move: Move) -> dict[str, np.ndarray]:
    """Return a category whose eight rarer levels take a row or two in a hundred."""
    x = move(rng, rng.normal(size=rows))
    logits = np.column_stack([np.zeros(rows), *(-4.5 + 0.1 * k * x for k in range(1, 9))])
    level = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    return {"x": x, "y": np.array(list("abcdefghi"))[level]}


def _seconds(seconds: np.ndarray) -> np.ndarray:
    return (1e6 * seconds).astype("timedelta64[us]")


def _users(
    rng: np.random.Generator, rows: int, move: Move, *, users: int, same: bool
) -> dict[str, np.ndarray]:
    """Users with a part of their own, of unequal sizes; ``same`` ones come to both windows."""
    size = np.exp(rng.normal(size=users))
    user = rng.choice(users, rows, p=size / size.sum())
    seed = 7 if same else int(rng.integers(1_000_000_000))
    own = np.random.default_rng(seed).normal(size=(users, 2))
    x = move(rng, (own[user, 0] + rng.normal(size=rows)) / np.sqrt(2))
    y = np.tanh(x) + (own[user, 1] + rng.normal(size=rows)) / np.sqrt(2)
    name = np.array([f"{0 if same else seed}-{u}" for u in range(users)])
    return {"x": x, "y": y, "user": name[user]}


FAMILIES = (
    Family("linear", _with_noise),
    Family("curved", partial(_with_noise, mean=lambda x: np.sin(2 * x))),
    Family("two parents, product", _two),
    Family(
        "uneven noise",
        partial(_with_noise, noise=lambda rng, x: np.exp(0.4 * x) * rng.normal(size=x.size)),
    ),
    Family("heavy tails", partial(_with_noise, noise=lambda rng, x: rng.standard_t(2.5, x.size))),
    Family("skewed", partial(_with_noise, noise=lambda rng, x: rng.exponential(size=x.size))),
    Family("zero-inflated", _zeros),
    Family("categorical", _classes),
    Family("mixed", _mixed),
    Family("missing at random", _missing),
    Family("autocorrelated", _series),
    Family("20 : 1 rows", _with_noise, current_share=0.05),
    Family("80 users", partial(_users, users=80, same=False), cluster="user"),
    Family("12 users", partial(_users, users=12, same=False), cluster="user"),
    Family("the same 80 users", partial(_users, users=80, same=True), cluster="user"),
    Family("autocorrelated, time known", _clocked, time="at"),
    Family("20,000 users", partial(_users, users=20_000, same=False), cluster="user"),
    Family("rare categories, 10 : 1 rows", _rare, current_share=0.1),
    Family("50 : 1 rows", _with_noise, current_share=0.02),
    Family("8 series taking turns", partial(_taking_turns, series=8), series=8),
    Family("autocorrelated, curved", _curved_series),
    Family("autocorrelated, uneven noise", _uneven_series),
    Family("curved, time known", partial(_clocked, series=_curved_series), time="at"),
    Family("uneven noise, time known", partial(_clocked, series=_uneven_series), time="at"),
    Family("autocorrelated, 20 : 1 rows", _series, current_share=0.05),
    Family("autocorrelated, time known, 20 : 1 rows", _clocked, time="at", current_share=0.05),
    Family("8 series, 20 : 1 rows", partial(_taking_turns, series=8), series=8, current_share=0.05),
    Family("autocorrelated, curved, little noise", _quiet_series),
    Family("series in the noise alone", _hidden_series),
    Family("slow series under noise", _buried_series),
)
