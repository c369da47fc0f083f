"""Measures false alarms of the mechanism test where only the parents moved, and how far.

python benchmarks/size_under_shift.py --quick
python benchmarks/size_under_shift.py --rows 1000 --trials 2000
python benchmarks/size_under_shift.py --rows 100000,1000000 --trials 400
python benchmarks/size_under_shift.py --rows 100000 --trials 400 --parts 8

P(y | parents) is the same in both windows; the parents move by 0, ½, 1 or 2 sd, spread twice as
far, or become a mixture. The test is given both windows' Snapshots (above 16,384 rows: their
sample; with ``--parts`` joined from so many parts) and the true parents. Beside each rate stands
its one-sided 99 % lower limit; where that exceeds the level the rate is in bold. The generator is
this file's own: nothing was tuned on it at the seed reported.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial, reduce
from importlib.metadata import version
from itertools import pairwise

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from scipy.special import betaincinv

from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.mechanism.residual_scores import ResidualScores
from whydrift.monitor.diagnosis.pair import WindowPair

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


def _ar(rng: np.random.Generator, rows: int, rho: float = 0.8) -> np.ndarray:
    from scipy.signal import lfilter

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


def _clocked(rng: np.random.Generator, rows: int, move: Move) -> dict[str, np.ndarray]:
    """A series of a row a second or so, whose rate doubles by day."""
    steps = rng.exponential(size=rows)
    at = np.cumsum(steps * np.where(np.arange(rows) % 20_000 < 10_000, 1.5, 0.5))
    return {**_series(rng, rows, move), "at": np.datetime64("2026-05-04") + _seconds(at)}


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
    return {"x": x, "y": y, "user": np.array([f"{0 if same else seed}-{u}" for u in user])}


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
)


def p_value(number: int, move: str, rows: int, seed: int, parts: int, trial: int) -> float | None:
    """Return the p-value of "P(y | parents) is the same" for one pair in which it is."""
    family = FAMILIES[number]
    rng = np.random.default_rng([seed, number, list(MOVES).index(move), rows, trial])
    reference = pd.DataFrame(family.draw(rng, rows, MOVES["0 sd"]))
    few = max(20, round(rows * family.current_share))
    current = pd.DataFrame(family.draw(rng, few, MOVES[move]))
    first = window(family, reference, parts, None)
    second = window(family, current, parts, first)
    parents = tuple(c for c in reference if str(c).startswith("x"))
    pair = WindowPair(first, second, (*parents, "y"), family.cluster)
    return ResidualScores()(pair, "y", parents).p_value


def window(family: Family, frame: pd.DataFrame, parts: int, before: Snapshot | None) -> Snapshot:
    """Return the Snapshot of a frame, joined from parts of neighbouring rows."""
    roles = {family.cluster: "cluster", family.time: "time"}
    roles = {name: role for name, role in roles.items() if name is not None}
    schema = None if before is None else before.schema
    if parts == 1:
        return Snapshot.from_frame(frame, schema=schema, roles=roles)
    if schema is None:
        schema = Snapshot.from_frame(frame[: len(frame) // parts], roles=roles).schema
    bounds = np.linspace(0, len(frame), parts + 1).astype(int)
    read = [Snapshot.from_frame(frame[a:b], schema=schema) for a, b in pairwise(bounds)]
    return reduce(Snapshot.merge, read)


def lower_limit(count: int, trials: int) -> float:
    """Return the one-sided 99 % lower limit of a rate (Clopper & Pearson 1934)."""
    return float(betaincinv(count, trials - count + 1, 0.01)) if count else 0.0


def line(
    family: Family, move: str, rows: int, found: list[float | None], levels: list[float]
) -> str:
    """Return one line of the table."""
    tested = np.array([p for p in found if p is not None])
    cells = []
    for level in levels:
        if not tested.size:
            cells.append("–")
            continue
        count = int((tested <= level).sum())
        low = lower_limit(count, tested.size)
        mark = "**" if low > level else ""
        cells.append(f"{mark}{count / tested.size:.4f}{mark} (≥ {low:.4f})")
    few = round(rows * family.current_share)
    share = f"{tested.size / len(found):.0%} of {len(found):,}"
    return f"| {family.name} | {rows:,} : {few:,} | {move} | {share} | {' | '.join(cells)} |"


def main() -> None:
    """Print the table and what it was measured on."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", default="1000", help="rows of a window, such as 1000,20000")
    parser.add_argument("--trials", type=int, default=2000, help="pairs of windows a cell")
    parser.add_argument("--parts", type=int, default=1, help="parts that a window is joined from")
    parser.add_argument("--levels", default="0.05,0.01")
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--family", default="", help="only families with this in their name")
    parser.add_argument("--move", default="", help="only moves with this in their name")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--quick", action="store_true", help="300 rows, 40 pairs a cell")
    options = parser.parse_args()
    if options.quick:
        options.rows, options.trials = "300", 40
    levels = [float(x) for x in options.levels.split(",")]
    began, marked, cells = time.perf_counter(), 0, 0
    print("| family | rows | parents moved by | tested | "
          + " | ".join(f"≤ {level:g} (99 % lower limit)" for level in levels) + " |")  # fmt: skip
    print("|---" * (4 + len(levels)) + "|")
    with ProcessPoolExecutor(options.jobs) as pool:
        for rows in map(int, options.rows.split(",")):
            for number, family in enumerate(FAMILIES):
                for move in MOVES:
                    if options.family not in family.name or options.move not in move:
                        continue
                    one = partial(p_value, number, move, rows, options.seed, options.parts)
                    found = list(pool.map(one, range(options.trials), chunksize=10))
                    text = line(family, move, rows, found, levels)
                    marked, cells = marked + text.count("**") // 2, cells + len(levels)
                    print(text, flush=True)
    print(
        f"\n{marked} of {cells} rates are above their level (bold); were all right, about one in a "
        "hundred would be.\n"
        f"{options.trials:,} pairs a cell, seed {options.seed}; "
        f"{time.perf_counter() - began:.0f} s on {options.jobs} of {os.cpu_count()} cores; "
        f"Python {platform.python_version()}, numpy {version('numpy')}, "
        f"whydrift {version('whydrift')}."
    )


if __name__ == "__main__":
    main()
