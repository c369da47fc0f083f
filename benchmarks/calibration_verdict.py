"""Measures whether the mechanism test keeps its level where only the parents moved.

python benchmarks/calibration_verdict.py --trials 400

Pairs of windows in which P(y | x) is the same and x moved by 0 to 2 of its sd, in a dozen kinds of
data; each is compared as a user would (`whydrift.compare`, the graph x → y given), and the p-value
of y is kept. A rate is over the pairs that could be tested; its lower limit is one-sided, at 99 %,
so that of a hundred right cells one is marked.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from scipy.special import betaincinv

import whydrift

LEVELS = (0.05, 0.01)
SHIFTS = (0.0, 0.5, 1.0, 2.0)

Draw = Callable[[np.random.Generator, int, float], dict[str, object]]


@dataclass(frozen=True)
class Family:
    """How windows of one kind are drawn: rows of either window, columns from rows and shift."""

    name: str
    rows: tuple[int, int]
    draw: Draw
    cluster: str | None = None


def _series(rng: np.random.Generator, rows: int, rho: float = 0.8) -> np.ndarray:
    x = rng.normal(size=rows + 50)
    for i in range(1, rows + 50):
        x[i] = rho * x[i - 1] + np.sqrt(1 - rho**2) * x[i]
    return x[50:]


def _numbers(
    rng: np.random.Generator, rows: int, shift: float, *, curve=None, noise=None
) -> dict[str, object]:
    x = shift + rng.normal(size=rows)
    mean = x if curve is None else curve(x)
    return {"x": x, "y": mean + (rng.normal(size=rows) if noise is None else noise(rng, x))}


def _categories(rng: np.random.Generator, rows: int, shift: float, *, rare: bool) -> dict:
    x = shift + rng.normal(size=rows)
    if rare:  # eight categories of one or two rows in a hundred
        logits = np.column_stack([np.zeros(rows), *(-4.5 + 0.1 * k * x for k in range(1, 9))])
    else:
        logits = np.column_stack([np.zeros(rows), x, -0.5 * x])
    return {
        "x": x,
        "y": np.array(list("abcdefghi"))[(logits + rng.gumbel(size=logits.shape)).argmax(axis=1)],
    }


def _zeros(rng: np.random.Generator, rows: int, shift: float) -> dict[str, object]:
    x = shift + rng.normal(size=rows)
    some = rng.random(rows) < 1 / (1 + np.exp(0.5 - 0.7 * x))
    return {"x": x, "y": np.where(some, np.exp(0.5 * x + 0.5 * rng.normal(size=rows)), 0.0)}


def _gaps(rng: np.random.Generator, rows: int, shift: float) -> dict[str, object]:
    out = _numbers(rng, rows, shift)
    x, y = np.asarray(out["x"]), np.asarray(out["y"])
    y = np.where(rng.random(rows) < 1 / (1 + np.exp(2 - 0.5 * x)), np.nan, y)
    return {"x": np.where(rng.random(rows) < 0.1, np.nan, x), "y": y}


def _autocorrelated(rng: np.random.Generator, rows: int, shift: float) -> dict[str, object]:
    x = shift + _series(rng, rows)
    return {"x": x, "y": x + _series(rng, rows)}


def _taking_turns(rng: np.random.Generator, rows: int, shift: float) -> dict[str, object]:
    x, noise = (np.column_stack([_series(rng, rows // 8) for _ in range(8)]).ravel() for _ in "xy")
    return {"x": shift + x, "y": shift + x + noise}


def _clustered(rng: np.random.Generator, rows: int, shift: float) -> dict[str, object]:
    users = rows // 10
    user = rng.permutation(np.repeat(np.arange(users), 10))
    x = shift + np.sqrt(0.5) * (rng.normal(size=users)[user] + rng.normal(size=rows))
    y = x + np.sqrt(0.5) * (rng.normal(size=users)[user] + rng.normal(size=rows))
    first = int(rng.integers(1_000_000_000))
    return {"x": x, "y": y, "user": [f"u{first + k}" for k in user]}


def _three_parents(rng: np.random.Generator, rows: int, shift: float) -> dict[str, object]:
    z = shift / np.sqrt(3) + rng.normal(size=(rows, 3))
    y = z.sum(axis=1) / 2 + 0.5 * z[:, 0] * z[:, 1] + rng.normal(size=rows)
    return {"x": z[:, 0], "x2": z[:, 1], "x3": z[:, 2], "y": y}


def _uneven(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    return np.exp(0.4 * x) * rng.normal(size=x.size)


def _heavy(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    return rng.standard_t(2.5, size=x.size)


def _bend(x: np.ndarray) -> np.ndarray:
    return 2 * np.tanh(1.5 * x)


FAMILIES = (
    Family("linear", (400, 400), _numbers),
    Family("three parents, product", (600, 600), _three_parents),
    Family("curved", (400, 400), partial(_numbers, curve=_bend)),
    Family("heavy-tailed", (400, 400), partial(_numbers, noise=_heavy)),
    Family("uneven noise", (400, 400), partial(_numbers, noise=_uneven)),
    Family("categorical", (400, 400), partial(_categories, rare=False)),
    Family("rare categories", (1500, 150), partial(_categories, rare=True)),
    Family("zero-inflated", (400, 400), _zeros),
    Family("missing values", (400, 400), _gaps),
    Family("autocorrelated", (500, 500), _autocorrelated),
    Family("series taking turns", (480, 480), _taking_turns),
    Family("clustered", (400, 400), _clustered, cluster="user"),
    Family("unequal windows", (3000, 60), _numbers),
)


def p_value(number: int, shift: float, seed: int, trial: int) -> float | None:
    """Return the p-value of "P(y | x) is the same" for one pair of windows in which it is."""
    family = FAMILIES[number]
    rng = np.random.default_rng([seed, number, int(10 * shift), trial])
    frames = [
        pd.DataFrame(family.draw(rng, rows, moved))
        for rows, moved in zip(family.rows, (0.0, shift), strict=True)
    ]
    edges = [(c, "y") for c in frames[0] if str(c).startswith("x")]
    found = whydrift.compare(*frames, graph=edges, cluster=family.cluster, floor=0.0)
    return found.columns["y"].p_value


def lower_limit(count: int, trials: int) -> float:
    """Return the one-sided 99 % lower limit of a rate (Clopper & Pearson 1934)."""
    return float(betaincinv(count, trials - count + 1, 0.01)) if count else 0.0


def row(family: Family, shift: float, p_values: list[float | None]) -> str:
    """Return one line of the table; rates whose lower limit exceeds the level are in bold."""
    tested = np.array([p for p in p_values if p is not None])
    cells = []
    for level in LEVELS:
        if not tested.size:
            cells += ["", ""]
            continue
        count = int((tested <= level).sum())
        low = lower_limit(count, tested.size)
        mark = "**" if low > level else ""
        cells += [f"{mark}{count / tested.size:.3f}{mark}", f"{low:.3f}"]
    rows = " : ".join(f"{n:,}" for n in family.rows)
    share = f"{tested.size / len(p_values):.0%}"
    return f"| {family.name} | {rows} | {shift:g} | {share} | {' | '.join(cells)} |"


def main() -> None:
    """Print the table and what it was measured on."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=400, help="pairs of windows a cell")
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--family", help="measure only families with this in their name")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    began, marked, cells = time.perf_counter(), 0, 0
    print("| family | rows | x moved by | tested | ≤ .05 | at least | ≤ .01 | at least |")
    print("|---|---|---|---|---|---|---|---|")
    with ProcessPoolExecutor(options.jobs) as pool:
        for number, family in enumerate(FAMILIES):
            if options.family and options.family not in family.name:
                continue
            for shift in SHIFTS:
                one = partial(p_value, number, shift, options.seed)
                found = list(pool.map(one, range(options.trials), chunksize=20))
                line = row(family, shift, found)
                marked, cells = marked + line.count("**") // 2, cells + len(LEVELS)
                print(line, flush=True)
    print(
        f"\n{marked} of {cells} rates are above their level (bold); were all right, about one in a "
        "hundred would be.\n"
        f"{options.trials} pairs of windows a cell, seed {options.seed}; "
        f"{time.perf_counter() - began:.0f} s on {options.jobs} of {os.cpu_count()} cores; "
        f"Python {platform.python_version()}, numpy {version('numpy')}, "
        f"whydrift {version('whydrift')}."
    )


if __name__ == "__main__":
    main()
