"""Exposures in a network: effects, coverage, and the warning where neighbours matter."""

from __future__ import annotations

import numpy as np
import pytest

import whydrift as wd
from whydrift.effects import Outcome
from whydrift.effects.interference import network_exposure

ROWS = 240
RING = [(i, (i + 1) % ROWS) for i in range(ROWS)]


def world(seed, spill=1.0):
    rng = np.random.default_rng(seed)
    treated = rng.random(ROWS) < 0.4
    touched = np.roll(treated, 1) | np.roll(treated, -1)
    outcome = 2.0 * treated + spill * touched + rng.normal(size=ROWS)
    return treated.astype(int), outcome


def test_intervals_hold_the_effects_of_all_exposures():
    held = np.zeros(3)
    for seed in range(60):
        found = network_exposure(*world(seed), RING, share=0.4, draws=300)
        for place, (name, truth) in enumerate(
            (("neighbour only", 1.0), ("own only", 2.0), ("both", 3.0))
        ):
            _, low, high = found.effect(name)
            held[place] += low <= truth <= high
    # 60 times 95 %, less what chance takes once in a thousand; too long is allowed for.
    assert held.min() >= 51


def test_neighbours_that_matter_are_told_and_others_are_not():
    loud = network_exposure(*world(1, spill=2.0), RING, share=0.4, draws=300)
    quiet = network_exposure(*world(2, spill=0.0), RING, share=0.4, draws=300)
    assert [check.outcome for check in loud.checks] == [Outcome.PASS, Outcome.WARN]
    assert quiet.checks[1].outcome is Outcome.PASS


def test_bad_networks_are_refused_in_words():
    treated, outcome = world(0)
    with pytest.raises(wd.SchemaError, match="row 999"):
        network_exposure(treated, outcome, [(0, 999)], share=0.4)
    with pytest.raises(wd.TooFewRows, match="some exposure"):
        network_exposure(treated, outcome, [], share=0.4, draws=100)
    with pytest.raises(wd.OptionError, match="no chance"):
        network_exposure(treated, outcome, RING, share=1.0)
    with pytest.raises(wd.SchemaError, match="0 or 1"):
        network_exposure(outcome, outcome, RING, share=0.4)
