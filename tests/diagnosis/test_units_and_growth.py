"""What grew was recorded rightly: units are told from growth by zero, and by what goes with it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import whydrift as wd
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.diagnosis import Fault, FaultKind
from whydrift.monitor.diagnosis.faults.registry import find_faults


def faults(reference: pd.DataFrame, current: pd.DataFrame) -> list[Fault]:
    read = Snapshot.from_frame(reference)
    found = find_faults(
        read, Snapshot.from_frame(current, schema=read.schema), tuple(reference.columns)
    )
    return [finding.fault for finding in found.findings]


GREW = {
    "latency": (lambda rng: np.exp(np.log(120) + 0.47 * rng.normal(size=2000)), 2.0),
    "latency as high as °F are": (
        lambda rng: np.exp(np.log(120) + 0.47 * rng.normal(size=2000)),
        1.8 + 32 / 120,
    ),
    "length of texts": (lambda rng: np.exp(np.log(150) + 0.6 * rng.normal(size=2000)), 2.01),
    "a symmetrical number": (lambda rng: 120 + 20 * rng.normal(size=2000), 1.8 + 32 / 120),
    "half": (lambda rng: np.exp(np.log(200) + 0.4 * rng.normal(size=2000)), 0.467),
}


@pytest.mark.parametrize("what", GREW)
@pytest.mark.parametrize("site", [None, "east"])
def test_what_doubled_or_halved_is_not_said_to_be_in_another_unit_of_temperature(what, site):
    draw, factor = GREW[what]
    for seed in range(4):
        rng = np.random.default_rng([seed, 3])
        sites = rng.choice(["east", "west"], (2, 2000))
        before, after = draw(rng), draw(rng)
        grown = np.where((sites[1] == site) | (site is None), factor * after, after)
        windows = [
            pd.DataFrame({"site": s, "v": v.round(1)})
            for s, v in zip(sites, (before, grown), strict=True)
        ]
        assert faults(*windows) == []


TEMPERATURES = {"weather": (12, 8), "body": (37.2, 0.6), "oven": (180, 10), "fridge": (4, 1.5),
                "freezer": (-18, 2)}  # fmt: skip


@pytest.mark.parametrize("what", TEMPERATURES)
@pytest.mark.parametrize("site", [None, "east"])
@pytest.mark.parametrize("is_back", [False, True])
def test_temperatures_in_another_unit_still_are(what, site, is_back):
    mean, sd = TEMPERATURES[what]
    for seed in range(3):
        rng = np.random.default_rng([seed, 4])
        windows = []
        for is_current in (False, True):
            sites, celsius = rng.choice(["east", "west"], 4000), mean + sd * rng.normal(size=4000)
            other = is_back ^ (is_current & ((sites == site) | (site is None)))
            v = np.where(other, 1.8 * celsius + 32, celsius).round(1)
            windows.append(pd.DataFrame({"site": sites, "v": v}))
        (fault,) = faults(*windows)
        assert (fault.kind, fault.columns) == (FaultKind.UNIT_CHANGE, ("v",))
        assert ("°F → °C" if is_back else "°C → °F") in fault.evidence


def shop(rng: np.random.Generator, factor: float, *, is_real: bool, site: str | None) -> dict:
    """Orders that became larger, or are only recorded so; costs and staff follow what they are."""
    sites = rng.choice(["east", "west", "north", "south"], 2400)
    size = np.exp(3 + 0.5 * rng.normal(size=2400))
    recorded = np.where((sites == site) | (site is None), factor * size, size)
    real = recorded if is_real else size
    cost = 0.6 * np.log(real) + 0.4 * rng.normal(size=2400)
    return {
        "site": sites,
        "size": recorded.round(3),
        "cost": cost.round(3),
        "staff": rng.poisson(np.exp(0.3 * np.log(real))),
    }


@pytest.mark.parametrize("factor", [10.0, 0.1, 24.0])
@pytest.mark.parametrize("site", [None, "east"])
def test_by_what_went_with_it_a_round_factor_is_growth_or_a_unit(factor, site):
    for seed in range(4):
        for is_real in (True, False):
            rng = np.random.default_rng([seed, 5])
            windows = [
                pd.DataFrame(shop(rng, f, is_real=is_real, site=site)) for f in (1.0, factor)
            ]
            found = [(f.kind, f.columns) for f in faults(*windows)]
            assert found == ([] if is_real else [(FaultKind.UNIT_CHANGE, ("size",))])


def test_a_prediction_that_follows_the_record_does_not_excuse_it():
    rng = np.random.default_rng(6)

    def window(factor: float) -> pd.DataFrame:
        dose = np.exp(0.5 * rng.normal(size=2000))
        recorded = factor * dose
        return pd.DataFrame(
            {
                "dose": recorded.round(3),
                "stay": (np.log(dose) + 0.5 * rng.normal(size=2000)).round(2),
                "guess": (np.log(recorded) + 0.2 * rng.normal(size=2000)).round(2),
            }
        )

    found = wd.compare(window(1), window(10), target="stay", prediction="guess")
    assert [(f.kind, f.columns) for f in found.faults] == [(FaultKind.UNIT_CHANGE, ("dose",))]
