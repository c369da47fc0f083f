"""A category whose numbers are on another scale, however large, is found; what grew is not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import whydrift as wd
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.diagnosis import FaultKind
from whydrift.monitor.diagnosis.faults.base import Finding
from whydrift.monitor.diagnosis.faults.registry import find_faults


def patients(rng: np.random.Generator, factor: float = 1.0, *, is_real: bool = False) -> dict:
    """Laboratory values, by a factor in the east: in the patients or in the record alone."""
    site = rng.choice(["north", "south", "east", "west"], 2000, p=[0.4, 0.25, 0.2, 0.15])
    age = rng.normal(60, 12, 2000)
    value = np.exp(0.02 * (age - 60) + 0.35 * rng.normal(size=2000))
    recorded = np.where(site == "east", factor * value, value)
    stay = 3 * np.log(recorded if is_real else value) + 0.03 * (age - 60) + rng.normal(size=2000)
    return {
        "site": site, "age": age.round(), "value": recorded.round(3), "stay": stay.round(2)
    }  # fmt: skip


def found_in(reference: dict, current: dict) -> tuple[Finding, ...]:
    read = Snapshot.from_frame(pd.DataFrame(reference))
    window = Snapshot.from_frame(pd.DataFrame(current), schema=read.schema)
    return find_faults(read, window, tuple(reference)).findings


@pytest.mark.parametrize("factor", [28.35, 18.02, 6.0, 1 / 18.02])
def test_a_scale_of_one_site_is_found_and_undone_by_whatever_factor(factor):
    for seed in range(6):
        rng = np.random.default_rng([seed, 1])
        sound = patients(rng)
        current = patients(rng)
        east = current["site"] == "east"
        wrong = {**current, "value": np.where(east, factor * current["value"], current["value"])}
        (finding,) = found_in(sound, wrong)
        fault = finding.fault
        assert (fault.kind, fault.columns) == (FaultKind.UNIT_CHANGE, ("value",))
        assert fault.where == "site is 'east'"
        np.testing.assert_allclose(finding.repairs["value"], current["value"], rtol=0.15)


def test_the_larger_a_scale_of_one_site_the_verdict_is_a_fault_all_the_same():
    rng = np.random.default_rng(2)
    windows = [pd.DataFrame(patients(rng, factor)) for factor in (1.0, 18.02)]
    found = wd.compare(*windows, target="stay")
    assert [(f.kind, f.columns) for f in found.faults] == [(FaultKind.UNIT_CHANGE, ("value",))]
    assert found.verdict == "none"


@pytest.mark.parametrize("factor", [3.0, 6.0, 18.02])
def test_what_grew_in_one_site_and_took_other_columns_with_it_is_no_fault(factor):
    for seed in range(6):
        rng = np.random.default_rng([seed, 3])
        assert found_in(patients(rng), patients(rng, factor, is_real=True)) == ()


@pytest.mark.parametrize("case", ["grew threefold", "another mix", "another tariff", "all grew"])
def test_a_region_that_sells_otherwise_is_no_fault(case):
    for seed in range(8):
        rng = np.random.default_rng([seed, 4])

        def sales(now: bool, rng: np.random.Generator = rng) -> dict:
            region = rng.choice(["north", "south", "east"], 2400)
            here = (region == "east") & now
            amount = np.exp(3 + 0.4 * rng.normal(size=2400))
            if case == "grew threefold":
                amount *= np.where(here, 3, 1)
            elif case == "another mix":  # wholesale joined
                amount *= np.where(here & (rng.random(2400) < 0.85), 8, 1)
            elif case == "another tariff":
                amount = np.where(region == "east", 60.0 if now else 9.0, amount)
            elif now:
                amount *= np.where(here, 7, 4)
            return {"region": region, "amount": amount.round(2), "other": rng.normal(size=2400)}

        kinds = {finding.fault.kind for finding in found_in(sales(False), sales(True))}
        assert FaultKind.UNIT_CHANGE not in kinds
