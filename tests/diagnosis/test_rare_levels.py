"""Parents with more levels than indicators."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.mechanism.base import MechanismTestResult, Untestable
from whydrift.monitor.diagnosis.mechanism.rare_levels import RareLevels
from whydrift.monitor.diagnosis.mechanism.residual_scores import ResidualScores
from whydrift.monitor.diagnosis.pair import WindowPair

LEVELS = 40


def answer(before: pd.DataFrame, after: pd.DataFrame) -> MechanismTestResult:
    a = Snapshot.from_frame(before)
    b = Snapshot.from_frame(after, schema=a.schema)
    return ResidualScores()(WindowPair(a, b, ("product", "price")), "price", ("product",))


def windows(rng, moved: float, *, rows: int = 2500, lift: float = 0.0, kind: str = "number"):
    """Two windows of which the mix of products moved; prices of rare ones rise by ``lift``."""
    shares, others = rng.dirichlet(np.ones(LEVELS), 2)
    usual = rng.normal(size=LEVELS)
    rare = np.argsort(np.argsort(-shares)) >= 15

    def window(mix, more):
        product = rng.choice(LEVELS, rows, p=mix)
        price = usual[product] + more * rare[product] + rng.normal(size=rows)
        if kind == "category":
            price = np.where(price > 0, "dear", "cheap")
        return pd.DataFrame({"product": [f"p{k}" for k in product], "price": price})

    return window(shares, 0.0), window((1 - moved) * shares + moved * others, lift)


@pytest.mark.parametrize("kind", ["number", "category"])
def test_a_moved_mix_of_rare_levels_is_not_blamed_on_the_child(kind):
    rng, trials, level = np.random.default_rng(31), 40, 0.05
    p_values = [answer(*windows(rng, 0.6, kind=kind)).p_value for _ in range(trials)]
    rejected = sum(p is not None and p <= level for p in p_values)
    assert None not in p_values
    assert rejected <= binom.isf(1e-4, trials, level)


def test_a_change_in_rare_levels_is_found_while_their_mix_moves():
    rng = np.random.default_rng(32)
    p_values = [answer(*windows(rng, 0.3, lift=0.5)).p_value for _ in range(10)]
    assert sum(p is not None and p <= 0.01 for p in p_values) >= 8


def test_levels_of_one_window_alone_tell_nothing():
    rng, rows = np.random.default_rng(33), 600

    def window(first):
        product = [f"u{first + k // 6}" for k in range(rows)]
        return pd.DataFrame({"product": product, "price": rng.normal(size=rows)})

    assert answer(window(0), window(100)).untestable is Untestable.NO_OVERLAP


def test_what_levels_have_in_common_is_taken_out_of_each():
    one, other = np.array([0, 1, 1, 2, 2, 0]), np.array([1, 1, 0, 0, 2, 2])
    rare = RareLevels((one, other))
    values = np.array([[1.0, 5], [2, 4], [3, 3], [4, 2], [5, 1], [6, 0]])
    single = RareLevels((one,)).centred(values)
    assert single[[0, 5]] == pytest.approx(values[[0, 5]])
    assert single[1:3] == pytest.approx(np.array([[-0.5, 0.5], [0.5, -0.5]]))
    assert rare.centred(values[:, 0])[4:].sum() == pytest.approx(0, abs=1e-9)
    assert rare.count == 0  # two rows each: of these levels nothing is told
    assert RareLevels((np.repeat([0, 1, 2], [9, 5, 4]),)).count == 1
    assert RareLevels().centred(values) is values
