"""Parents that moved in ways that the models of a test do not have from the start."""

import tracemalloc
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

import whydrift as wd
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.mechanism.base import MechanismTestResult, Untestable
from whydrift.monitor.diagnosis.mechanism.left_out import Candidates
from whydrift.monitor.diagnosis.mechanism.residual_scores import ResidualScores
from whydrift.monitor.diagnosis.pair import WindowPair

World = Callable[[np.random.Generator, np.random.Generator, int], pd.DataFrame]


def answer(reference: pd.DataFrame, current: pd.DataFrame) -> MechanismTestResult:
    a = Snapshot.from_frame(reference)
    b = Snapshot.from_frame(current, schema=a.schema)
    parents = tuple(n for n in reference if n != "y")
    return ResidualScores()(WindowPair(a, b, tuple(reference)), "y", parents)


def many_numbers(once, rng, moved):
    """y follows a product of two of thirty numbers, whose correlation moves."""
    x = rng.normal(size=(3000, 30))
    if moved:
        x[:, 1] = 0.6 * x[:, 0] + 0.8 * x[:, 1]
    y = x[:, 0] * x[:, 1] + x[:, 2] + rng.normal(size=3000)
    return pd.DataFrame({**{f"x{k}": x[:, k] for k in range(30)}, "y": y})


def many_levels(once, rng, moved):
    """A shop has its own mean of an item, and the mix of both moves; a third cause has 6 levels."""
    mean = once.normal(size=(12, 1)) + once.normal(size=12) + 0.7 * once.normal(size=(12, 12))
    weight = np.exp(0.7 * once.normal(size=144)) if moved else np.ones(144)
    cell = rng.choice(144, 4000, p=weight / weight.sum())
    other = rng.integers(0, 6, 4000)
    y = mean.ravel()[cell] + 0.3 * other + rng.normal(size=4000)
    return pd.DataFrame(
        {"shop": _names(cell // 12), "item": _names(cell % 12), "c": _names(other), "y": y}
    )


def cells(once, rng, moved):
    """Each cell of three categories has its own mean, and the mix of cells moves."""
    mean = (
        once.normal(size=(3, 1, 1)) + once.normal(size=(3, 1)) + 0.8 * once.normal(size=(3, 3, 3))
    )
    weight = np.exp(0.8 * once.normal(size=27)) if moved else np.ones(27)
    cell = rng.choice(27, 3000, p=weight / weight.sum())
    y = mean.ravel()[cell] + rng.normal(size=3000)
    return pd.DataFrame(
        {"a": _names(cell // 9), "b": _names(cell // 3 % 3), "c": _names(cell % 3), "y": y}
    )


def slopes(once, rng, moved):
    """Each cell of two categories has its own slope, and the number moves in each on its own."""
    slope, shift = 1 + 0.5 * once.normal(size=16), 0.7 * once.normal(size=16)
    cell = rng.integers(0, 16, 4000)
    x = rng.normal(size=4000) + moved * shift[cell]
    y = slope[cell] * x + 0.7 * rng.normal(size=4000)
    return pd.DataFrame({"a": _names(cell // 4), "b": _names(cell % 4), "x": x, "y": y})


def far_segment(once, rng, moved):
    """Rows far out have a level of their own, and grow from 1 % to 6 %."""
    is_far = rng.random(3000) < (0.06 if moved else 0.01)
    x = np.where(is_far, rng.uniform(2.5, 4, 3000), 0.8 * rng.normal(size=3000))
    return pd.DataFrame({"x": x, "y": 5 * is_far + rng.normal(size=3000)})


def value_for_itself(once, rng, moved):
    """A zero in the middle of a number stands for none, and grows from 8 % to 25 %."""
    is_none = rng.random(1500) < (0.25 if moved else 0.08)
    x = np.where(is_none, 0.0, rng.normal(size=1500))
    return pd.DataFrame({"x": x, "y": x + 3 * is_none + 0.3 * rng.normal(size=1500)})


def _names(codes):
    return np.array(list("abcdefghijkl"))[codes]


def windows(world: World, seed: int, lift: float = 0.0):
    rng = np.random.default_rng([71, seed])
    reference = world(np.random.default_rng(seed), rng, 0)
    current = world(np.random.default_rng(seed), rng, 1)
    return reference, current.assign(y=current["y"] + lift)


WORLDS = [many_numbers, many_levels, cells, slopes, far_segment, value_for_itself]


@pytest.mark.parametrize("world", WORLDS, ids=lambda w: w.__name__)
def test_parents_that_moved_together_are_no_changed_mechanism(world):
    trials, level = 24, 0.05
    p_values = [answer(*windows(world, seed)).p_value for seed in range(trials)]
    rejected = sum(p is not None and p <= level for p in p_values)
    assert rejected <= binom.isf(1e-3, trials, level)
    assert None not in p_values


@pytest.mark.parametrize("world", WORLDS, ids=lambda w: w.__name__)
def test_a_changed_level_is_found_beside_what_was_left_out(world):
    p_values = [answer(*windows(world, seed, lift=0.25)).p_value for seed in range(4)]
    assert all(p is not None and p <= 0.01 for p in p_values)


def test_three_categories_that_act_together_keep_the_level():
    trials, level = 120, 0.05
    found = [answer(*windows(cells, seed)).p_value for seed in range(100, 100 + trials)]
    assert sum(p is not None and p <= level for p in found) <= binom.isf(1e-2, trials, level)


@pytest.mark.parametrize(("slope", "moved"), [(1.0, False), (1.4, True)])
def test_the_target_given_many_inputs_is_tested_without_their_products(slope, moved):
    """Products of 24 inputs would need more rows than there are."""
    rng = np.random.default_rng(74)

    def window(b: float) -> pd.DataFrame:
        x = rng.normal(size=(2000, 24))
        table = pd.DataFrame(x, columns=[f"x{k}" for k in range(24)])
        return table.assign(y=b * x[:, 2] + rng.normal(size=2000))

    a, b = window(1.0), window(slope)
    edges = [(f"x{k}", "y") for k in range(24)]
    found = wd.compare(a, b, target="y", graph=edges)
    assert found.conditional_shift is moved


def test_models_that_need_more_features_than_rows_allow_say_so():
    rng = np.random.default_rng(72)
    reference, current = (many_numbers(rng, rng, moved).head(900) for moved in (0, 1))
    found = answer(reference, current)
    assert (found.p_value, found.untestable) == (None, Untestable.TOO_FEW_ROWS)


def test_a_product_of_two_indicators_is_found_once():
    rng = np.random.default_rng(74)
    level = rng.integers(0, 11, (3, 3000))
    linear = np.column_stack([(of == k).astype(float) for of in level for k in range(1, 11)])
    product = linear[:, 0] * linear[:, 10]
    missed = 4 * (product - product.mean()) + rng.normal(size=(2, 3000))
    found, _ = Candidates(linear).strongest(missed[0], missed[1][:, None], 9)
    assert found[0] == pytest.approx(product)
    assert len({feature.tobytes() for feature in found}) == len(found)


def test_a_feature_counts_only_where_both_models_err_along_it():
    rng = np.random.default_rng(73)
    linear = rng.normal(size=(2000, 4))
    product = linear[:, 0] * linear[:, 1]
    noise = rng.normal(size=(2, 2000))
    candidates = Candidates(linear)
    found, harm = candidates.strongest(product + noise[0], (product + noise[1])[:, None], 1)
    assert found[0] == pytest.approx(product)
    assert harm > 1
    _, harmless = candidates.strongest(noise[0], (product + noise[1])[:, None], 1)
    assert harmless < 1


def test_very_many_cells_of_categories_take_no_feature_each():
    """Four categories of eight levels make some thousand cells: a column each would fill memory."""
    rng = np.random.default_rng(75)

    def window(moved: int) -> pd.DataFrame:
        share = np.arange(1, 9) / 36
        codes = [rng.choice(8, 3000, p=np.roll(share, moved * k)) for k in range(4)]
        table = pd.DataFrame({f"c{k}": _names(code) for k, code in enumerate(codes)})
        return table.assign(y=rng.normal(size=3000) + 0.3 * moved)

    reference, current = window(0), window(1)
    tracemalloc.start()
    found = answer(reference, current)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.p_value is not None and found.p_value < 1e-3
    assert most < 150e6
