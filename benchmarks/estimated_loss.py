"""How often the 90 % interval of the loss estimated without labels covers the true change.

    python benchmarks/estimated_loss.py [--trials 100]

Inputs move by 0, 0.5 and 1 sd while P(target | inputs) stays; the truth comes from 400,000 rows.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd

from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.estimated_loss import estimate_loss
from whydrift.monitor.diagnosis.metric import row_measure
from whydrift.monitor.diagnosis.pair import WindowPair

MANY = 400_000


def numbers(rows: int, rng: np.random.Generator, move: float) -> pd.DataFrame:
    """A straight model of a bent target whose noise grows."""
    a = move + rng.normal(size=rows)
    b = 0.5 * a + rng.normal(size=rows)
    y = np.sin(a) + b + rng.normal(size=rows) * (0.6 + 0.3 * np.abs(a))
    return pd.DataFrame({"a": a, "b": b, "y": y, "guess": 0.5 * a + b})


def classes(rows: int, rng: np.random.Generator, move: float) -> pd.DataFrame:
    """A model without one of two inputs, not calibrated."""
    a = move + rng.normal(size=rows)
    b = 0.5 * a + rng.normal(size=rows)
    chance = 1 / (1 + np.exp(-(a + 0.5 * b**2 - 0.8)))
    y = (rng.random(rows) < chance).astype(int)
    return pd.DataFrame({"a": a, "b": b, "y": y, "guess": 1 / (1 + np.exp(-(1.3 * a - 0.2)))})


def true_loss(frame: pd.DataFrame) -> float:
    """The mean squared error, or log loss of classes."""
    if set(frame.y.unique()) != {0, 1}:
        return float(((frame.y - frame.guess) ** 2).mean())
    return float(-np.log(np.where(frame.y == 1, frame.guess, 1 - frame.guess)).mean())


def main() -> None:
    """Print one line for each kind of target, shift and window size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=100)
    trials = parser.parse_args().trials
    print("| target | shift, sd | rows | true change | covered | `estimated_loss_off` | ms |")
    print("|---|---|---|---|---|---|---|")
    for make in (numbers, classes):
        rng = np.random.default_rng(100)
        for move in (0.0, 0.5, 1.0):
            truth = true_loss(make(MANY, rng, move)) - true_loss(make(MANY, rng, 0.0))
            for old, new in ((1000, 1000), (4000, 1000)):
                covered = off = 0
                seconds = []
                for _ in range(trials):
                    roles = {"y": "target", "guess": "prediction"}
                    before = Snapshot.from_frame(make(old, rng, 0.0), roles=roles)
                    after = Snapshot.from_frame(make(new, rng, move), schema=before.schema)
                    measure = row_measure(before, after, target="y", prediction="guess")
                    pair = WindowPair(before, after, ("a", "b", "y"))
                    started = time.process_time()
                    found = estimate_loss(pair, measure, "guess", ("a", "b"))
                    seconds.append(time.process_time() - started)
                    change = found.metric.change
                    covered += change.low <= truth <= change.high
                    off += bool(found.notes)
                print(
                    f"| {make.__name__} | {move} | {old} / {new} | {truth:.3f} "
                    f"| {covered / trials:.2f} | {off / trials:.2f} "
                    f"| {1000 * float(np.median(seconds)):.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
