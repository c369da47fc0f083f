"""Measures a Snapshot's sample: whether each row is as likely to be in it, and what it costs.

python benchmarks/snapshot_sample.py            # uniformity, two minutes
python benchmarks/snapshot_sample.py --cost     # memory and rows/s of a stream, some minutes
python benchmarks/snapshot_sample.py --power 60 # changes found through the sample

Uniformity: one window of 60,000 rows is sampled with many salts. Its rows are put into twenty
groups by the size of the block that they are in, and into twenty by where they stand; the number
of sampled rows of each group, less its share, is zero on average if each row is as likely to be
sampled. That is tested by Hotelling's T² over salts (which knows that rows of a block come
together) and, where rows are sampled one by one, by χ² within every salt. The third grouping is by
file: the window is read as twenty files of very unequal sizes, whose samples are joined, and the
rows have to be those of the window read at once. Beside it stands the rule that keeps whole blocks,
at most 16 rows of each, with every row counting the same.

Power: the same change of P(y given x) in windows of as many rows as a sample holds, and in windows
of 100,000 of which a sample is kept, should be found as often.
"""

from __future__ import annotations

import argparse
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy.stats import chi2, f, kstest

from whydrift.discovery.snapshot.blocks import BlockKind, Blocks, thinned_share
from whydrift.discovery.snapshot.draw import Draw
from whydrift.discovery.snapshot.row_hash import mixed
from whydrift.discovery.snapshot.snapshot import Snapshot, sample_limit
from whydrift.monitor.diagnosis.mechanism.residual_scores import ResidualScores
from whydrift.monitor.diagnosis.pair import WindowPair

ROWS, MOST, GROUPS = 60_000, 4_096, 20
BLOCKS, OF_A_BLOCK = 256, 16  # of the rule that is compared, in proportion to MOST
_BATCH = 50_000


def _alone(rng: np.random.Generator) -> np.ndarray:
    return np.arange(ROWS)


def _spans(rng: np.random.Generator) -> np.ndarray:
    """Spans of time; by night a tenth of the rows that come by day."""
    rate = np.where(np.arange(4_000) % 24 < 8, 0.1, 1.0)
    return np.sort(rng.choice(4_000, ROWS, p=rate / rate.sum()))


def _users(rng: np.random.Generator) -> np.ndarray:
    size = np.exp(1.2 * rng.normal(size=5_000))
    return rng.choice(5_000, ROWS, p=size / size.sum())


def _one_of_a_third(rng: np.random.Generator) -> np.ndarray:
    block = _users(rng)
    block[rng.random(ROWS) < 1 / 3] = 5_000
    return block


WORLDS: dict[str, tuple[BlockKind, Callable[[np.random.Generator], np.ndarray]]] = {
    "rows alone": (BlockKind.ROW, _alone),
    "spans of time, fewer rows by night": (BlockKind.TIME, _spans),
    "5,000 users of unequal sizes": (BlockKind.CLUSTER, _users),
    "the same, one of a third of all rows": (BlockKind.CLUSTER, _one_of_a_third),
}


def drawn(rule: Blocks, rows: np.ndarray, blocks: np.ndarray | None, salt: int) -> Draw:
    """Return the priorities of all rows; their place says which they are."""
    place = np.arange(len(rows))
    run = np.zeros(len(rows), dtype=np.uint64)
    return Draw(rule.priorities(rows, blocks, salt), rows, run, place, 1.0, MOST, salt)


def sampled(draw: Draw) -> np.ndarray:
    """Return the rows that a Snapshot keeps."""
    return draw.kept()[0]


def sampled_in_files(draw: Draw, file: np.ndarray) -> np.ndarray:
    """Return the rows that are kept where each file is sampled, and the samples are joined."""
    parts = []
    for number in range(GROUPS):
        own = draw.taken(np.flatnonzero(file == number))
        parts.append(own.taken(*own.kept()))
    # In pairs, as workers would.
    while len(parts) > 1:
        joined = [Draw.joined(parts[k : k + 2]) for k in range(0, len(parts), 2)]
        parts = [j.taken(*j.kept()) for j in joined]
    return np.sort(parts[0].place)


def capped(block: np.ndarray, salt: int) -> np.ndarray:
    """Return the first 16 rows, by hash, of the blocks with the smallest hashes."""
    rng = np.random.default_rng(salt)
    chosen = rng.permutation(block.max() + 1)[:BLOCKS]
    inside = rng.permutation(np.flatnonzero(np.isin(block, chosen)))
    order = inside[np.argsort(block[inside], kind="stable")]
    starts = np.r_[0, np.flatnonzero(np.diff(block[order])) + 1]
    lengths = np.diff(np.r_[starts, len(order)])
    place = np.arange(len(order)) - np.repeat(starts, lengths)
    return order[place < OF_A_BLOCK]


def _file_sizes() -> np.ndarray:
    """Return how many rows each file has: the largest some fifty times those of the smallest."""
    sizes = np.round(ROWS * 0.81 ** np.arange(GROUPS) * 0.19).astype(int)
    sizes[0] += ROWS - sizes.sum()
    return np.asarray(sizes)


def hotelling(counts: np.ndarray, shares: np.ndarray) -> float:
    """Return the p-value of "each group's share of the sample is its share of the window"."""
    gaps = (counts - counts.sum(axis=1, keepdims=True) * shares)[:, :-1]
    salts, groups = gaps.shape
    mean = gaps.mean(axis=0)
    t2 = salts * mean @ np.linalg.solve(np.cov(gaps, rowvar=False), mean)
    return float(f.sf(t2 * (salts - groups) / (groups * (salts - 1)), groups, salts - groups))


def uniformity(salts: int, seed: int) -> None:
    """Print one line for each world and way to group rows."""
    print("| world | groups by | rows kept | blocks | p, a Snapshot's sample | χ² in every salt | "
          "p, at most 16 rows of a block |")  # fmt: skip
    print("|---" * 7 + "|")
    for number, (name, (kind, draw)) in enumerate(WORLDS.items()):
        block = draw(np.random.default_rng([seed, number]))
        rows = mixed(np.arange(ROWS, dtype=np.uint64) + np.uint64(seed))
        keys = None if kind is BlockKind.ROW else mixed(block.astype(np.uint64))
        rule = Blocks(kind, None, 1.0 if keys is None else thinned_share(kind, keys))
        size = np.bincount(block)[block]
        files = np.repeat(np.arange(GROUPS), _file_sizes())
        for by, value in (("size of block", size), ("place", np.arange(ROWS)), ("file", None)):
            group = files
            if value is not None:
                group = np.empty(ROWS, dtype=int)
                group[np.argsort(value, kind="stable")] = np.arange(ROWS) * GROUPS // ROWS
            shares = np.bincount(group) / ROWS
            draws = (drawn(rule, rows, keys, salt) for salt in range(salts))
            if value is not None:
                kept = [sampled(draw) for draw in draws]
            else:
                at_once, kept = kept, [sampled_in_files(draw, files) for draw in draws]
                assert all(map(np.array_equal, kept, at_once)), name
            counts = np.array([np.bincount(group[k], minlength=GROUPS) for k in kept])
            others = np.array([np.bincount(group[capped(block, s)], minlength=GROUPS)
                               for s in range(salts)])  # fmt: skip
            within = "–"
            if keys is None:
                few = counts.sum(axis=1, keepdims=True) * shares
                x2 = ((counts - few) ** 2 / few).sum(axis=1) / (1 - MOST / ROWS)
                within = f"{kstest(chi2.sf(x2, GROUPS - 1), 'uniform').pvalue:.2f}"
            print(
                f"| {name} | {by} | {np.mean([len(k) for k in kept]):,.0f} | "
                f"{np.mean([len(np.unique(block[k])) for k in kept]):,.0f} | "
                f"{hotelling(counts, shares):.2f} | {within} | {hotelling(others, shares):.1e} |",
                flush=True,
            )


def found(rows: int, size: float, way: str, trials: int, seed: int) -> float:
    """Return how often a change of y given x is found at level .001."""
    count = 0
    for trial in range(trials):
        rng = np.random.default_rng([seed, rows, trial])
        x, noise = rng.normal(size=(2, 2, rows))
        y = x / 2 + noise
        y[1] += size * (x[1] if way == "slope" else 1.0)
        first, second = (pd.DataFrame({"x": a, "y": b}) for a, b in zip(x, y, strict=True))
        before = Snapshot.from_frame(first)
        pair = WindowPair(before, Snapshot.from_frame(second, schema=before.schema), ("x", "y"))
        answer = ResidualScores()(pair, "y", ("x",)).p_value
        count += answer is not None and answer <= 0.001
    return count / trials


def power(trials: int, seed: int) -> None:
    """Print how often changes are found by as many raw rows as a sample has, and by a sample."""
    print("| change | sd | 16,384 rows, all kept | 100,000 rows, through the sample |")
    print("|---" * 4 + "|")
    for way in ("level", "slope"):
        for size in (0.0, 0.03, 0.05, 0.1):
            shares = [found(rows, size, way, trials, seed) for rows in (sample_limit(2), 100_000)]
            print(f"| {way} | {size:g} | {shares[0]:.2f} | {shares[1]:.2f} |", flush=True)


def _batches(rows: int, columns: int) -> object:
    for start in range(0, rows, _BATCH):
        rng = np.random.default_rng(start)
        yield pa.table(
            {f"x{k}": rng.normal(size=min(_BATCH, rows - start)) for k in range(columns)}
        )


def one_stream(rows: int, columns: int) -> None:
    """Read one stream and print what it cost."""
    first = next(iter(_batches(1_000, columns)))
    Snapshot.from_frame(first)  # what is imported is no part of the cost
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    for _ in _batches(rows, columns):
        pass
    drawn = time.process_time() - began
    began = time.process_time()
    window = Snapshot.from_batches(_batches(rows, columns))
    seconds = time.process_time() - began - drawn
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    stored = window.to_bytes()
    written = time.process_time() - began
    print(
        f"| {rows:,} | {columns} | {rows / seconds:,.0f} | {(peak - base) / 1024:,.0f} MB | "
        f"{len(window.sample):,} | {len(stored) / 1e6:.2f} MB | {written:.2f} s |",
        flush=True,
    )


def main() -> None:
    """Print the table and what it was measured on."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--salts", type=int, default=400)
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--cost", action="store_true", help="read streams instead")
    parser.add_argument(
        "--power", type=int, default=0, metavar="PAIRS", help="find changes instead"
    )
    parser.add_argument("--rows", default="100000,1000000,3000000")
    parser.add_argument("--columns", default="20,50")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one_stream(*map(int, options.one.split(",")))
        return
    began = time.perf_counter()
    if options.power:
        power(options.power, options.seed)
        print(f"\n{options.power} pairs of windows a cell, seed {options.seed}.")
    elif options.cost:
        print("| rows | columns | rows/s of CPU | peak over the base | sample | stored | writing |")
        print("|---" * 7 + "|", flush=True)
        for columns in options.columns.split(","):
            for rows in options.rows.split(","):
                command = [sys.executable, __file__, "--one", f"{rows},{columns}"]
                subprocess.run(command, check=True)  # the peak of a process never goes down
    else:
        uniformity(options.salts, options.seed)
        print(f"\n{options.salts} salts, seed {options.seed}.")
    print(
        f"\n{time.perf_counter() - began:.0f} s; Python {platform.python_version()}, "
        f"numpy {version('numpy')}, whydrift {version('whydrift')}."
    )


if __name__ == "__main__":
    main()
