"""Bias and coverage of every method of `effect`, in worlds whose effect is known.

python benchmarks/effects.py
python benchmarks/effects.py --only adjustment --replications 400

Each scenario draws fresh samples of a world whose effect is known. Shown: the bias, in units of the
effect's standard error and with its own error; the spread of the estimates over the mean standard
error (1 where errors are right); how often the 95 % interval holds the truth, and how often it lies
wholly below or above it; the share of samples without a standard error, or with an interval open at
an end; and how often each check fails or warns. An end that is not a number holds nothing: the
sample is not covered. An open interval may hold the truth; in brackets stands how many samples hold
it between two bounds, those with an open one counted as not covered. Bias and spread are those of
samples with a value, the mean standard error that of those with one.

Where a method's assumptions hold, coverage must be 93 to 97 % (with what chance does to as many
samples) and no check may fail in more than one of twenty; where they do not, the check that is
there for it must fire in nine of ten. The exit status is 1 if one does not.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import binom

sys.path.insert(0, str(Path(__file__).parent))

from effects_scenarios import scenarios
from effects_scenarios.base import Scenario

from whydrift.effects import Outcome, estimate

_LOW, _HIGH = 0.93, 0.97
_CHANCE = 0.01  # of a right method to be called wrong, by its coverage
_FIRES = 0.9


@dataclass(frozen=True)
class Result:
    """What came of a scenario.

    Parameters
    ----------
    bias, bias_error : float
        In units of the estimates' spread.
    spread_ratio : float
        Spread of the estimates over their mean standard error.
    coverage : float
    bounded : float
        Share of samples whose interval holds the truth between two bounds.
    below, above : float
        Share of intervals that lie wholly below the truth, or above it.
    without_error, without_bound : float
        Share of samples that have no standard error; whose interval has an open end.
    failed, warned : Counter
        Samples in which each check did.
    problem : str
        What is not as it should be; empty where all is.
    seconds : float
        For one sample.
    """

    scenario: Scenario
    bias: float
    bias_error: float
    spread_ratio: float
    coverage: float
    bounded: float
    below: float
    above: float
    without_error: float
    without_bound: float
    failed: Counter[str]
    warned: Counter[str]
    problem: str
    seconds: float


def run(scenario: Scenario, replications: int, seed: int) -> Result:
    """Draw and estimate, again and again."""
    values, errors = np.full(replications, np.nan), np.full(replications, np.nan)
    ends = np.full((replications, 2), np.nan)
    failed: Counter[str] = Counter()
    warned: Counter[str] = Counter()
    started = time.perf_counter()
    for i, generator in enumerate(np.random.default_rng(seed).spawn(replications)):
        data = scenario.draw(generator)
        truth = scenario.true_effect(data)
        effect = estimate(data, **scenario.arguments)
        if effect.value is not None:
            values[i] = effect.value - truth
        if effect.standard_error is not None:
            errors[i] = effect.standard_error
        ends[i] = (
            -np.inf if effect.low is None else effect.low - truth,
            np.inf if effect.high is None else effect.high - truth,
        )
        failed.update(c.name for c in effect.checks if c.outcome is Outcome.FAIL)
        warned.update(c.name for c in effect.checks if c.outcome is Outcome.WARN)
    low, high = ends.T
    holds = (low <= 0) & (high >= 0)  # not where an end is not a number
    is_open = ~np.isfinite(ends).all(axis=1)
    held = int(holds.sum())
    known = values[np.isfinite(values)]
    spread = float(np.std(known, ddof=1))
    finite = errors[np.isfinite(errors)]
    return Result(
        scenario,
        float(np.mean(known)) / spread,
        1 / float(np.sqrt(len(known))),
        spread / float(np.mean(finite)) if len(finite) else np.nan,
        held / replications,
        float((holds & ~is_open).mean()),
        float((high < 0).mean()),
        float((low > 0).mean()),
        float(1 - len(finite) / replications),
        float(is_open.mean()),
        failed,
        warned,
        _problem(scenario, held, replications, failed, warned),
        (time.perf_counter() - started) / replications,
    )


def _problem(
    scenario: Scenario, held: int, replications: int, failed: Counter[str], warned: Counter[str]
) -> str:
    if not scenario.holds:
        assert scenario.fires is not None
        share = (failed[scenario.fires] + warned[scenario.fires]) / replications
        return "" if share >= _FIRES else f"{scenario.fires} fires in {share:.0%} only"
    low = binom.ppf(_CHANCE / 2, replications, _LOW)
    high = replications if scenario.may_be_long else binom.isf(_CHANCE / 2, replications, _HIGH)
    if not low <= held <= high:
        return "coverage"
    loud = [name for name, count in failed.items() if count > scenario.alarms * replications]
    return f"{', '.join(loud)} fails" if loud else ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="scenarios whose name begins like this")
    parser.add_argument("--replications", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=100)
    given = parser.parse_args()
    chosen = [s for s in scenarios() if s.name.startswith(given.only)]
    print(f"{given.replications} samples each, seed {given.seed}\n")
    print(
        "| scenario | bias (sd) | spread / error | coverage | below, above | no error, no bound "
        "| checks: failed, warned | ms | |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    wrong = 0
    for scenario in chosen:
        found = run(scenario, given.replications, given.seed)
        told = [
            f"{name} {found.failed[name] / given.replications:.0%}, "
            f"{found.warned[name] / given.replications:.0%}"
            for name in sorted({*found.failed, *found.warned})
        ]
        bounded = f" ({found.bounded:.1%})" if found.without_bound else ""
        print(
            f"| {scenario.name} | {found.bias:+.2f} ± {found.bias_error:.2f} "
            f"| {found.spread_ratio:.2f} | {found.coverage:.1%}{bounded} "
            f"| {found.below:.1%}, {found.above:.1%} "
            f"| {found.without_error:.0%}, {found.without_bound:.0%} | {'; '.join(told)} "
            f"| {1000 * found.seconds:.0f} | {found.problem or 'ok'} |",
            flush=True,
        )
        wrong += bool(found.problem)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
