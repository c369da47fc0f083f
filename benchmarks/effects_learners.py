"""Which learner predicts the effects of single rows best, and which ranks them.

python benchmarks/effects_learners.py
python benchmarks/effects_learners.py --replications 5 --rows 500 --econml

Four worlds whose effect on each row is known. Shown, on rows held out: the root mean squared error
of the predicted effects (PEHE) over the spread of the true ones, or over the outcome's noise where
there is no spread (1 is no better than the average for all); Spearman's correlation with the true
ones; how often a row's interval holds its true effect, where there are intervals; and how often the
check says that differences are real (where there are none, it should in 5 %).

With ``--econml`` econml's own learners stand beside ours, on the same data: with scikit-learn's
gradient boosting where econml asks for a model, and its automatic choice elsewhere. Ours are
econml's too, with models of our choice: the rows differ by these.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from whydrift.effects import Outcome, estimate

_NAMES = ("x0", "x1", "x2", "x3", "x4")
_WORLDS = ("linear", "step", "confounded, unequal arms", "none")
_METHODS: dict[str, dict[str, Any]] = {
    "s_learner": {},
    "t_learner": {},
    "x_learner": {},
    "r_learner": {"final": "linear"},
    "r_learner, forest": {"final": "forest"},
    "dr_learner": {"final": "linear"},
    "dr_learner, forest": {"final": "forest"},
    "causal_forest": {},
}


def _draw(world: str, generator: np.random.Generator, rows: int) -> tuple[dict[str, Any], Any]:
    x = generator.normal(size=(rows, len(_NAMES)))
    base = np.sin(x[:, 1]) + 0.5 * x[:, 2] ** 2
    chance = np.full(rows, 0.5)
    match world:
        case "linear":
            effect = 1 + 0.7 * x[:, 0]
        case "step":
            effect = 2.0 * ((x[:, 0] > 0) & (x[:, 3] > -0.5))
        case "none":
            effect = np.ones(rows)
        case _:
            effect = 1 + np.tanh(2 * x[:, 0])
            chance = 0.05 + 0.3 / (1 + np.exp(-2 * x[:, 1]))
    treat = (generator.random(rows) < chance).astype(int)
    outcome = base + treat * effect + generator.normal(size=rows)
    return {**dict(zip(_NAMES, x.T, strict=True)), "treat": treat, "y": outcome}, effect


def _peers() -> dict[str, Callable[[int], Any]]:
    """Return econml's learners as it builds them."""
    from econml.dml import CausalForestDML, LinearDML
    from econml.dr import DRLearner, LinearDRLearner
    from econml.metalearners import SLearner, TLearner, XLearner
    from sklearn.ensemble import GradientBoostingRegressor

    def model(seed: int) -> Any:
        return GradientBoostingRegressor(random_state=seed)

    return {
        "S": lambda seed: SLearner(overall_model=model(seed)),
        "T": lambda seed: TLearner(models=model(seed)),
        "X": lambda seed: XLearner(models=model(seed)),
        "R (LinearDML)": lambda seed: LinearDML(discrete_treatment=True, random_state=seed),
        "DR": lambda seed: DRLearner(random_state=seed),
        "LinearDR": lambda seed: LinearDRLearner(random_state=seed),
        "CausalForestDML": lambda seed: CausalForestDML(
            discrete_treatment=True, random_state=seed, n_jobs=1
        ),
    }


def _error(predicted: Any, truth: Any) -> float:
    spread = truth.std() if truth.std() > 0 else 1.0
    return float(np.sqrt(np.mean((predicted - truth) ** 2)) / spread)


def _rank(predicted: Any, truth: Any) -> Iterable[float]:
    """Return the rank correlation, or nothing where one of both is the same for all."""
    if truth.std() > 0 and predicted.std() > 0:
        return (float(spearmanr(predicted, truth).statistic),)
    return ()


def _show_peers(world: str, rows: int, replications: int, seed: int) -> None:
    for label, build in _peers().items():
        errors, ranks = [], []
        for generator in np.random.default_rng(seed).spawn(replications):
            data, _ = _draw(world, generator, rows)
            fresh, truth = _draw(world, generator, 500)
            design, asked = (np.column_stack([d[n] for n in _NAMES]) for d in (data, fresh))
            learner = build(0)
            learner.fit(data["y"], data["treat"], X=design)
            predicted = np.ravel(learner.effect(asked))
            errors.append(_error(predicted, truth))
            ranks.extend(_rank(predicted, truth))
        rank = f"{np.mean(ranks):.2f}" if ranks else "–"
        print(f"| {world} | econml {label} | {np.mean(errors):.2f} | {rank} | – | – |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replications", type=int, default=20)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--econml", action="store_true", help="econml's own beside them")
    given = parser.parse_args()
    print(f"{given.replications} samples of {given.rows} rows, seed {given.seed}\n")
    print("| world | learner | error / spread | rank correlation | row coverage | seen as real |")
    print("|---|---|---|---|---|---|")
    for world in _WORLDS:
        for label, options in _METHODS.items():
            errors, ranks, held, real = [], [], [], []
            generators = np.random.default_rng(given.seed).spawn(given.replications)
            for generator in generators:
                data, _ = _draw(world, generator, given.rows)
                fresh, truth = _draw(world, generator, 500)
                effect = estimate(
                    data, "treat", "y", method=label.partition(",")[0], adjustment=_NAMES,
                    at={name: fresh[name] for name in _NAMES}, **options,
                )  # fmt: skip
                table = effect.details["at"]
                predicted = np.array(table["effect"], dtype=float)
                errors.append(_error(predicted, truth))
                ranks.extend(_rank(predicted, truth))
                if "low" in table.columns:
                    low, high = (np.array(table[end], dtype=float) for end in ("low", "high"))
                    held.append(np.mean((low <= truth) & (truth <= high)))
                real.append(effect.check("heterogeneity").outcome is Outcome.PASS)
            rank = f"{np.mean(ranks):.2f}" if ranks else "–"
            coverage = f"{np.mean(held):.0%}" if held else "–"
            print(
                f"| {world} | {label} | {np.mean(errors):.2f} | {rank} | {coverage} "
                f"| {np.mean(real):.0%} |",
                flush=True,
            )
        if given.econml:
            _show_peers(world, given.rows, given.replications, given.seed)


if __name__ == "__main__":
    main()
