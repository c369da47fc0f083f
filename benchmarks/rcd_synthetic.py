"""Root causes in the synthetic systems that RCD's paper measures itself on.

    python benchmarks/rcd_synthetic.py
    python benchmarks/rcd_synthetic.py --rows 1000

Ikram, Chakraborty, Mitra, Saini, Bagchi & Kocaoglu (2022), Root cause analysis of failures in
microservices through causal discovery. As there: a random order of the nodes, each a cause of the
one to three nodes after it; six states; tables of uniform numbers, each row scaled to sum to one; a
failure draws the table of one node anew; 10,000 rows before and after (in the code that the authors
published, 1,000). Nothing but the two windows is known to a method.

*top-1*: how often the node that failed stands first; *Avg@5*: the mean, over k from one to five, of
how often it is among the first k; *exact*: how often it alone is named.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent))

from methods import ours, root_cause, univariate
from seeds import seeds_of

METHODS = {
    m.name: m
    for m in (*ours.METHODS, *root_cause.METHODS, *univariate.METHODS)
    if m.name in ("whydrift, learned", "RCD", "univariate, Bonferroni")
}
STATES = 6
MOST_CAUSED = 3
FIRST = 5


@dataclass(frozen=True)
class Case:
    """Two windows of one system and the node that failed between them.

    Parameters
    ----------
    reference, current : DataFrame
    edges : tuple of (str, str)
    failed : str
    """

    reference: pd.DataFrame
    current: pd.DataFrame
    edges: tuple[tuple[str, str], ...]
    failed: str


def systems(seed: int, nodes: int, cases: int, rows: int) -> Iterator[Case]:
    """Draw systems, each with one failure."""
    for number in range(cases):
        rng = np.random.default_rng([seed, nodes, number])
        order = rng.permutation(nodes)
        parents: dict[int, list[int]] = {int(node): [] for node in order}
        for place, node in enumerate(order):
            for child in order[place + 1 : place + 1 + rng.integers(1, MOST_CAUSED + 1)]:
                parents[int(child)].append(int(node))
        tables = {node: _table(rng, len(above)) for node, above in parents.items()}
        failed = int(rng.integers(nodes))
        before = _drawn(rng, parents, tables, rows)
        after = _drawn(rng, parents, tables | {failed: _table(rng, len(parents[failed]))}, rows)
        edges = tuple((f"X{a}", f"X{b}") for b, above in parents.items() for a in above)
        yield Case(before, after, edges, f"X{failed}")


def _table(rng: np.random.Generator, parents: int) -> np.ndarray:
    """Return P(state | parents' states), shape (STATES ** parents, STATES)."""
    table = rng.random((STATES**parents, STATES))
    return table / table.sum(axis=1, keepdims=True)


def _drawn(
    rng: np.random.Generator,
    parents: dict[int, list[int]],
    tables: dict[int, np.ndarray],
    rows: int,
) -> pd.DataFrame:
    states = np.zeros((rows, len(parents)), dtype=int)
    for node, above in parents.items():  # causes come first
        which = states[:, above] @ STATES ** np.arange(len(above))
        beyond = rng.random(rows)[:, None] > tables[node][which].cumsum(axis=1)
        states[:, node] = np.minimum(beyond.sum(axis=1), STATES - 1)
    names = [f"X{node}" for node in range(len(parents))]
    return pd.DataFrame(states, columns=names).astype(str).radd("s")


@dataclass(frozen=True)
class Answered:
    """Where the failed node stands, which nodes are named, and what it took.

    Parameters
    ----------
    place : int
        From 1.
    named : tuple of str
    failed : str
    seconds : float
        Processor time.
    """

    place: int
    named: tuple[str, ...]
    failed: str
    seconds: float


def answered(name: str, case: Case) -> Answered:
    """Ask one method about one case."""
    columns = list(case.reference.columns)
    meta = {
        "columns": columns,
        "discrete": columns,
        "edges": case.edges,
        "target": None,
    }
    started = time.process_time()
    answer = METHODS[name].answer(case.reference, case.current, meta, 0.0)
    seconds = time.process_time() - started
    ranking = [*answer["ranking"], *columns]
    named = tuple(c for c, node in answer["nodes"].items() if node["verdict"] == "mechanism")
    return Answered(ranking.index(case.failed) + 1, named, case.failed, seconds)


def table(answers: dict[tuple[int, str], Sequence[Answered]]) -> list[str]:
    """Return a line for each number of nodes and method."""
    head = ["nodes", "method", "cases", "top-1", "top-3", "Avg@5", "named", "others named",
            "exact", "s/case"]  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for (nodes, name), found in answers.items():
        place = np.array([a.place for a in found])
        cells = [
            str(nodes),
            name,
            str(len(found)),
            *(f"{(place <= k).mean():.2f}" for k in (1, 3)),
            f"{np.mean([(place <= k).mean() for k in range(1, FIRST + 1)]):.2f}",
            f"{np.mean([a.failed in a.named for a in found]):.2f}",
            f"{np.mean([len({*a.named} - {a.failed}) for a in found]):.2f}",
            f"{np.mean([a.named == (a.failed,) for a in found]):.2f}",
            f"{np.mean([a.seconds for a in found]):.1f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--nodes", default="10,50")
    parser.add_argument("--seeds", default="100-109")
    parser.add_argument("--cases", type=int, default=3, help="of each seed")
    parser.add_argument("--rows", type=int, default=10_000, help="of each window")
    parser.add_argument("--methods", default="", help=f"of {'; '.join(METHODS)}")
    options = parser.parse_args()
    names = [n for n in options.methods.split(";") if n] or list(METHODS)
    unknown = set(names) - set(METHODS)
    if unknown:
        parser.error(f"no method is named {', '.join(sorted(unknown))}")
    answers: dict[tuple[int, str], list[Answered]] = {}
    for nodes in map(int, options.nodes.split(",")):
        for seed in seeds_of(options.seeds):
            for case in systems(seed, nodes, options.cases, options.rows):
                for name in names:
                    found = answered(name, case)
                    answers.setdefault((nodes, name), []).append(found)
                    print(nodes, seed, name, found, file=sys.stderr, flush=True)
    print("\n".join(table(answers)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
