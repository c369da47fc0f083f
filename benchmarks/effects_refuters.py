"""Whether refuters fire where they should, and keep still where they should.

python benchmarks/effects_refuters.py
python benchmarks/effects_refuters.py --replications 20 --only hidden

Worlds of 500 rows. In those that are sound every refuter should pass; in the others the one named
should warn or fail. Shown for each refuter: the share of samples in which it fails, and warns.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from whydrift.effects import Outcome, estimate, refute

_ROWS = 500
_GRAPH = [("x", "treat"), ("x", "y"), ("w", "treat"), ("w", "y"), ("treat", "y")]
_WITH_LEAF = [*_GRAPH, ("y", "after")]
_WRONG = [*_GRAPH, ("x", "after")]  # y causes it, and nothing else does


@dataclass(frozen=True)
class World:
    """What is drawn and asked, and which refuter should fire (none where all is sound)."""

    name: str
    draw: Callable[[np.random.Generator], dict[str, Any]]
    asked: dict[str, Any]
    fires: str = ""
    refuted: dict[str, Any] = field(default_factory=dict)


def _sound(generator: np.random.Generator, hidden: float = 0.0, curve: float = 0.0) -> Any:
    x, w, u = generator.normal(size=(3, _ROWS))
    score = 0.6 * x + 0.4 * w + hidden * u + curve * (x**2 - 1)
    treat = (generator.random(_ROWS) < 1 / (1 + np.exp(-score))).astype(int)
    outcome = treat + x + 0.5 * w + hidden * u + curve * x**2 + generator.normal(size=_ROWS)
    return {
        "x": x, "w": w, "treat": treat, "y": outcome,
        "earlier": u + 0.5 * x + generator.normal(size=_ROWS),  # what treatment cannot have moved
        "after": outcome + generator.normal(size=_ROWS),
    }  # fmt: skip


def _no_effect(generator: np.random.Generator) -> dict[str, Any]:
    data = _sound(generator)
    return {**data, "y": data["y"] - data["treat"]}


def _clusters(generator: np.random.Generator) -> dict[str, Any]:
    """Rows of a group are nearly copies of each other, and nobody named the group."""
    group = np.repeat(np.arange(25), _ROWS // 25)
    x, w = (generator.normal(size=25)[group] for _ in range(2))
    treat = (generator.random(25) < 0.5)[group].astype(int)
    outcome = treat + x + w + generator.normal(size=25)[group] + generator.normal(size=_ROWS)
    return {"x": x, "w": w, "treat": treat, "y": outcome}


def _heavy(generator: np.random.Generator) -> dict[str, Any]:
    """A few rows carry the answer."""
    data = _sound(generator)
    return {**data, "y": data["y"] + 3 * generator.standard_t(1.1, size=_ROWS)}


def _ask(method: str, **more: Any) -> dict[str, Any]:
    return {"method": method, "adjustment": ["x", "w"], **more}


_NEGATIVE = {"negative_outcomes": ["earlier"]}
_WORLDS = (
    *(
        World(f"sound, {name}", _sound, _ask(name), refuted=_NEGATIVE)
        for name in ("regression_adjustment", "ipw", "doubly_robust", "matching")
    ),
    World("sound, no effect, doubly_robust", _no_effect, _ask("doubly_robust"), refuted=_NEGATIVE),
    World("sound, right graph", _sound, {"method": "doubly_robust", "graph": _WITH_LEAF}),
    World(
        "hidden cause, as strong as two of those seen", lambda g: _sound(g, hidden=1.0),
        _ask("doubly_robust"), "negative_control", _NEGATIVE,
    ),
    World(
        "hidden cause, weak (0.3)", lambda g: _sound(g, hidden=0.3),
        _ask("doubly_robust"), "negative_control", _NEGATIVE,
    ),
    World("no effect, and a strong cause seen", _no_effect, _ask("doubly_robust"), "hidden_cause"),
    World(
        "curve left out of a linear model", lambda g: _sound(g, curve=0.7),
        _ask("regression_adjustment", interactions=False), "dummy_outcome",
    ),
    World("groups left out", _clusters, _ask("regression_adjustment"), "bootstrap"),
    World("a few rows carry it", _heavy, _ask("regression_adjustment"), "subset"),
    World(
        "wrong graph", _sound, {"method": "doubly_robust", "graph": _WRONG}, "graph",
    ),
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="worlds whose name begins like this")
    parser.add_argument("--replications", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=50, help="random changes for each refuter")
    parser.add_argument("--seed", type=int, default=100)
    given = parser.parse_args()
    print(f"{given.replications} samples, {given.repeats} repeats, seed {given.seed}\n")
    print("| world | should fire | fires in | all refuters: failed, warned | s |")
    print("|---|---|---|---|---|")
    for world in _WORLDS:
        if not world.name.startswith(given.only):
            continue
        failed: Counter[str] = Counter()
        warned: Counter[str] = Counter()
        names: dict[str, None] = {}
        started = time.perf_counter()
        for generator in np.random.default_rng(given.seed).spawn(given.replications):
            data = world.draw(generator)
            effect = estimate(data, "treat", "y", **world.asked)
            for check in refute(
                effect, data, repeats=given.repeats, **world.asked, **world.refuted
            ):
                names[check.name] = None
                failed[check.name] += check.outcome is Outcome.FAIL
                warned[check.name] += check.outcome is Outcome.WARN
        count = given.replications
        fired = "–"
        if world.fires:
            fired = f"{(failed[world.fires] + warned[world.fires]) / count:.0%}"
        told = "; ".join(f"{n} {failed[n] / count:.0%}, {warned[n] / count:.0%}" for n in names)
        seconds = (time.perf_counter() - started) / count
        print(
            f"| {world.name} | {world.fires or 'none'} | {fired} | {told} | {seconds:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
