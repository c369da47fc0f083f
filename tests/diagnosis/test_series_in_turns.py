"""Machines that take turns: what all have in common comes once, and one that broke is found."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import binom

import whydrift as wd
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.interleaving import series_after_series
from whydrift.monitor.diagnosis.mechanism.residual_scores import ResidualScores
from whydrift.monitor.diagnosis.pair import WindowPair

MACHINES = 3


def shifts(seed: int, *, off: float = 0.0, rows: int = 1800) -> pd.DataFrame:
    """Batches of fifty rows run through all machines, and tools wear out, each by itself."""
    rng = np.random.default_rng(seed)
    machine = np.arange(rows) % MACHINES
    batch = rng.normal(size=rows // 50 + 1)[np.arange(rows) // 50] + 0.2 * rng.normal(size=rows)
    wear = np.zeros(rows)
    for i in range(rows):
        wear[i] = 0.9 * wear[i - MACHINES] * (i >= MACHINES) + rng.normal()
    defect = 0.4 * batch + 0.2 * wear + off * (machine == 1) + 0.5 * rng.normal(size=rows)
    names = [f"M{k}" for k in machine]
    return pd.DataFrame({"machine": names, "batch": batch, "wear": wear, "defect": defect})


def test_what_all_machines_have_in_common_is_not_counted_once_for_each():
    trials, told = 60, 0
    for seed in range(trials):
        one = Snapshot.from_frame(shifts(seed))
        two = Snapshot.from_frame(shifts(seed + 500), schema=one.schema)
        one, two = (series_after_series(w, MACHINES) for w in (one, two))
        pair = WindowPair(one, two, ("batch", "wear"), turns=(MACHINES, MACHINES))
        p_value = ResidualScores()(pair, "batch", ()).p_value
        told += p_value is not None and p_value <= 0.05
    assert told <= binom.isf(1e-3, trials, 0.05)


def test_one_machine_that_is_off_is_no_slow_wave_of_all_of_them():
    for seed in range(6):
        found = wd.compare(shifts(seed), shifts(seed + 500, off=0.5), target="defect")
        assert any(w.code == "rows_interleaved" for w in found.warnings)
        assert found.verdict in {"mechanism", "both"}
        assert found.ranking[0] == "defect"
