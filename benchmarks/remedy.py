"""Is the remedy the right one? Regret of what `compare` advises against an oracle.

python benchmarks/remedy.py --seeds 100-104

Models are trained on reference rows; then the world changes in one of several ways, and `compare`
sees a reference and a current window with labels and predictions. The oracle really carries out
each remedy and measures the mean loss on fresh current rows. The regret of an advice is the best
remedy's net gain less its own, as a share of the reference's loss; net of what each costs:

    none 0, investigate 0, fix_pipeline .01, prior_correction .005, reweight .01, retrain .02,
    collect_and_retrain .04 (on four times as many rows)

Beside it: always retrain, do nothing, and retrain whenever anything is found.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent))

from seeds import seeds_of

import whydrift as wd

COSTS = {
    "none": 0.0,
    "investigate": 0.0,
    "prior_correction": 0.005,
    "reweight": 0.01,
    "fix_pipeline": 0.01,
    "retrain": 0.02,
    "collect_and_retrain": 0.04,
}
INPUTS = ("a", "b", "c", "d")
ROWS = 1500
FRESH = 20_000


@dataclass(frozen=True)
class World:
    """How rows come about.

    Parameters
    ----------
    is_binary : bool
        Whether the target is 0 or 1 (log loss) or a number (squared error).
    bend : float
        How much of the target's curve no line follows.
    shift : float
        By how many sd the inputs a and b have moved.
    tilt : float
        Change of the slope of a.
    harder : float
        How much the noise grows with a.
    prior : float, optional
        Chance of class 1; the target then causes the inputs.
    unit : float
        What the pipeline multiplies c by.
    """

    is_binary: bool = False
    bend: float = 0.0
    shift: float = 0.0
    tilt: float = 0.0
    harder: float = 0.0
    prior: float | None = None
    unit: float = 1.0

    def draw(self, rows: int, rng: np.random.Generator) -> pd.DataFrame:
        """Return rows as they truly are."""
        x = rng.normal(size=(rows, 4))
        x[:, :2] += self.shift
        if self.prior is not None:
            y = (rng.random(rows) < self.prior).astype(float)
            x[:, :3] += np.outer(y, [1.0, 0.7, -0.5])
        else:
            signal = (1 + self.tilt) * x[:, 0] + 0.5 * x[:, 1] - 0.5 * x[:, 2]
            signal = signal + self.bend * np.sin(1.5 * x[:, 0]) + 0.5 * self.bend * x[:, 1] ** 2
            if self.is_binary:
                y = (rng.random(rows) < 1 / (1 + np.exp(-signal))).astype(float)
            else:
                noise = 0.7 * np.exp(np.clip(self.harder * x[:, 0], -2, 2))
                y = signal + noise * rng.normal(size=rows)
        return pd.DataFrame(x, columns=list(INPUTS)).assign(y=y)

    def recorded(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return rows as the pipeline writes them."""
        return frame.assign(c=self.unit * frame["c"])

    @property
    def graph(self) -> list[tuple[str, str]]:
        """Pairs of cause and effect."""
        return [("y", n) if self.prior is not None else (n, "y") for n in INPUTS]


def _linear(x: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones(len(x)), x])


def _spline(x: np.ndarray) -> np.ndarray:
    hinges = [np.maximum(x - knot, 0.0) for knot in (-1.5, -0.75, 0.0, 0.75, 1.5)]
    return np.column_stack([np.ones(len(x)), x, *hinges])


LEARNERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"line": _linear, "curve": _spline}


@dataclass(frozen=True)
class Model:
    """Ridge least squares, or ridge logistic regression, on a learner's features."""

    features: Callable[[np.ndarray], np.ndarray]
    weights: np.ndarray
    is_binary: bool
    offset: float = 0.0

    @classmethod
    def trained(
        cls, learner: str, is_binary: bool, rows: pd.DataFrame, weight: np.ndarray | None = None
    ) -> Model:
        """Return the model that a learner makes of weighted rows."""
        features, y = LEARNERS[learner], rows["y"].to_numpy()
        x = features(rows[list(INPUTS)].to_numpy())
        mass = np.ones(len(y)) if weight is None else weight / weight.mean()
        beta, ridge = np.zeros(x.shape[1]), np.eye(x.shape[1])
        for _ in range(12 if is_binary else 1):
            if is_binary:
                p = 1 / (1 + np.exp(-np.clip(x @ beta, -30, 30)))
                slack, rest = np.maximum(p * (1 - p), 1e-4), y - p
            else:
                slack, rest = np.ones(len(y)), y - x @ beta
            hessian = x.T @ (x * (mass * slack)[:, None]) + ridge
            beta = beta + np.linalg.solve(hessian, x.T @ (mass * rest) - ridge @ beta)
        return cls(features, beta, is_binary)

    def __call__(self, rows: pd.DataFrame) -> np.ndarray:
        """Return predictions."""
        eta = self.features(rows[list(INPUTS)].to_numpy()) @ self.weights + self.offset
        return 1 / (1 + np.exp(-np.clip(eta, -15, 15))) if self.is_binary else eta

    def loss(self, rows: pd.DataFrame) -> float:
        """Return the mean loss."""
        y, f = rows["y"].to_numpy(), self(rows)
        if self.is_binary:
            return float(-np.mean(y * np.log(f) + (1 - y) * np.log1p(-f)))
        return float(np.mean((y - f) ** 2))


def _weights(reference: pd.DataFrame, current: pd.DataFrame) -> np.ndarray:
    """Odds of being a current row, as anyone would estimate them, capped at 10."""
    both = pd.concat([reference, current])
    squares = both[list(INPUTS)].assign(y=np.r_[np.zeros(len(reference)), np.ones(len(current))])
    p = Model.trained("curve", True, squares)(squares)[: len(reference)]
    return np.minimum(p / (1 - p), 10.0)


def worlds(kind: str, strength: float) -> tuple[World, World]:
    """Return the reference's and the current world of a kind.

    ``strength`` is in [0, 1]; most that are drawn are small, where advice is hardest.
    """
    binary = kind.startswith("binary ")
    base = World(is_binary=binary)
    match kind.removeprefix("binary "):
        case "none":
            return base, base
        case "inputs move, model right":
            return base, World(binary, shift=0.1 + 1.2 * strength)
        case "inputs move, model bent":
            return World(binary, bend=0.8), World(binary, bend=0.8, shift=0.1 + 1.2 * strength)
        case "inputs move far, model bent":
            return World(binary, bend=0.8), World(binary, bend=0.8, shift=3.5 + strength)
        case "inputs move, rows harder":
            return World(binary, harder=0.4), World(binary, harder=0.4, shift=0.1 + 1.2 * strength)
        case "concept":
            return base, World(binary, tilt=-0.05 - 1.2 * strength)
        case "both":
            return base, World(binary, tilt=-0.05 - 1.2 * strength, shift=0.5)
        case "label":
            return World(True, prior=0.3), World(True, prior=0.32 + 0.43 * strength)
        case "fault":
            return base, World(binary, unit=float(10 ** (1 + round(2 * strength))))
    raise ValueError(kind)


KINDS = (
    "none", "inputs move, model right", "inputs move, model bent", "inputs move far, model bent",
    "inputs move, rows harder", "concept", "both", "fault",
    "binary none", "binary label", "binary concept", "binary inputs move, model bent",
)  # fmt: skip


def case(kind: str, learner: str, seed: int) -> dict[str, object]:
    """Return what was advised and what each remedy is truly worth, net, in reference losses."""
    rng = np.random.default_rng([seed, KINDS.index(kind), list(LEARNERS).index(learner)])
    before, after = worlds(kind, float(rng.random() ** 2))
    model = Model.trained(learner, before.is_binary, before.draw(ROWS, rng))
    reference = before.draw(ROWS, rng)
    current, fresh, more = (after.recorded(after.draw(n, rng)) for n in (ROWS, FRESH, 4 * ROWS))
    started = time.process_time()
    diagnosis = wd.compare(
        reference.assign(guess=model(reference)),
        current.assign(guess=model(current)),
        graph=before.graph, target="y", prediction="guess",
        loss="log_loss" if before.is_binary else "squared_error",
    )  # fmt: skip
    seconds = time.process_time() - started
    as_is, unit = model.loss(fresh), model.loss(before.draw(FRESH, rng))
    retrained = Model.trained(learner, before.is_binary, current)
    reweighted = Model.trained(learner, before.is_binary, reference, _weights(reference, current))
    losses = {
        "none": as_is,
        "investigate": as_is,
        "retrain": retrained.loss(fresh),
        "reweight": reweighted.loss(fresh),
        "collect_and_retrain": Model.trained(learner, before.is_binary, more).loss(fresh),
        "fix_pipeline": model.loss(fresh.assign(c=fresh["c"] / after.unit)),
    }
    losses["prior_correction"] = as_is  # there is none for numbers
    if before.is_binary:
        odds = [w["y"].mean() / (1 - w["y"].mean()) for w in (reference, current)]
        moved = Model(model.features, model.weights, True, float(np.log(odds[1] / odds[0])))
        losses["prior_correction"] = moved.loss(fresh)
    net = {action: (as_is - losses[action]) / unit - COSTS[action] for action in COSTS}
    best, gain = max(net.values()), diagnosis.remedy.gain
    true_gain = as_is - losses[diagnosis.remedy.action.value]
    return {
        "kind": kind,
        "learner": learner,
        "advice": diagnosis.remedy.action.value,
        "best": max(net, key=net.__getitem__),
        "whydrift": best - net[diagnosis.remedy.action.value],
        "always retrain": best - net["retrain"],
        "do nothing": best - net["none"],
        "retrain when found": best - net["retrain" if diagnosis.found else "none"],
        "gain": None if gain is None else gain.value / unit,
        "true gain": true_gain / unit,
        "covered": None
        if gain is None or gain.low is None or gain.high is None
        else gain.low <= true_gain <= gain.high,
        "seconds": seconds,
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", default="100-104", help="such as 100-109 or 100,103")
    parser.add_argument("--csv", type=Path, help="write every case here")
    options = parser.parse_args()
    rows = pd.DataFrame(
        [
            case(kind, learner, seed)
            for seed in seeds_of(options.seeds)
            for kind in KINDS
            for learner in LEARNERS
        ]
    )
    if options.csv:
        rows.to_csv(options.csv, index=False)
    policies = ["whydrift", "always retrain", "do nothing", "retrain when found"]
    print(f"Regret as a share of the reference's loss, {len(rows)} cases, seeds {options.seeds}\n")
    print("| kind | learner | " + " | ".join(policies) + " | advice |")
    print("|" + "---|" * (len(policies) + 3))
    for (kind, learner), part in rows.groupby(["kind", "learner"], sort=False):
        said = ", ".join(f"{a} {n}" for a, n in part["advice"].value_counts().items())
        means = " | ".join(f"{part[p].mean():.3f}" for p in policies)
        print(f"| {kind} | {learner} | {means} | {said} |")
    capped = rows[policies].clip(upper=1.0)
    means = " | ".join(f"**{capped[p].mean():.4f}** ± {capped[p].sem():.4f}" for p in policies)
    print(f"| all, no case above 1 | | {means} | |")
    told = rows[rows["gain"].notna()]
    if len(told):
        error = (told["gain"] - told["true gain"]).abs().median()
        print(f"\nOf {len(told)} gains told: median error {error:.3f} of the reference's loss, "
              f"90 % interval covers {told['covered'].mean():.2f}; "
              f"{rows['seconds'].mean():.2f} s a case")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
