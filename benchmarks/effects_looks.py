"""How often an interval that may be read at every look ever loses the truth, and what it costs.

python benchmarks/effects_looks.py
python benchmarks/effects_looks.py --paths 500

An experiment without an effect is looked at 60 times, from 100 rows on, at even steps of the
logarithm. Shown: the share of experiments in which the interval of each kind has excluded the truth
at *some* look so far, and its length over that of the interval for one look. What may be read at
every look must stay at or below 5 % to the end; what is meant for one look does not.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from scipy.stats import binom

from whydrift.effects.experiment.arms import measure_arms
from whydrift.effects.experiment.comparisons import compare_arms

_FIRST, _LOOKS = 100, 60
_WORLDS = ("normal", "skewed", "binary 5 %")


def _outcome(world: str, generator: np.random.Generator, rows: int) -> np.ndarray:
    match world:
        case "normal":
            return generator.normal(size=rows)
        case "skewed":
            return generator.exponential(size=rows)
        case _:
            return (generator.random(rows) < 0.05).astype(float)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--paths", type=int, default=2000)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--planned", type=float, default=5_000)
    parser.add_argument("--seed", type=int, default=100)
    given = parser.parse_args()
    looks = np.unique(np.geomspace(_FIRST, given.rows, _LOOKS).astype(int))
    print(f"{given.paths} experiments each, shortest at {given.planned:,.0f} rows\n")
    print("| outcome | rows so far | missed, every look | missed, one look | length ratio |")
    print("|---|---|---|---|---|")
    wrong = 0
    for world in _WORLDS:
        missed = np.zeros((2, given.paths, len(looks)), dtype=bool)
        ratio = np.zeros(len(looks))
        for path, generator in enumerate(np.random.default_rng(given.seed).spawn(given.paths)):
            outcome = _outcome(world, generator, given.rows)
            arm = generator.integers(0, 2, given.rows)
            for number, rows in enumerate(looks):
                arms = measure_arms(("0", "1"), arm[:rows], outcome[:rows])
                kinds = [
                    compare_arms(arms, level=0.95, planned=planned)[0]
                    for planned in (given.planned, None)
                ]
                for kind, found in enumerate(kinds):
                    missed[kind, path, number] = not found.low <= 0 <= found.high
                lengths = [found.high - found.low for found in kinds]
                ratio[number] += lengths[0] / lengths[1] / given.paths if lengths[1] else 0
        ever = np.logical_or.accumulate(missed, axis=2).mean(axis=1)
        for number in (0, len(looks) // 3, 2 * len(looks) // 3, len(looks) - 1):
            print(
                f"| {world} | {looks[number]:,} | {ever[0, number]:.1%} | {ever[1, number]:.1%} "
                f"| {ratio[number]:.2f} |",
                flush=True,
            )
        wrong += ever[0, -1] * given.paths > binom.isf(0.01, given.paths, 0.05)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
