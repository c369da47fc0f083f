"""Fitted mechanisms, and rows that are run again through them."""

from __future__ import annotations

import numpy as np
import pytest

from whydrift.monitor.diagnosis.counterfactual.base import Rows
from whydrift.monitor.diagnosis.counterfactual.category import fit_category
from whydrift.monitor.diagnosis.counterfactual.design import Causes, Columns, Design, column_basis
from whydrift.monitor.diagnosis.counterfactual.grade import fit_grade, has_few_values
from whydrift.monitor.diagnosis.counterfactual.in_two_parts import fit_in_two_parts
from whydrift.monitor.diagnosis.counterfactual.number import fit_number
from whydrift.monitor.diagnosis.counterfactual.ridge import penalties_by_evidence

GROUPS = 5
SPLIT = 1500


def window_of(rows: int) -> np.ndarray:
    return (np.arange(rows) >= SPLIT).astype(float)


def design_of(x: np.ndarray, *, is_discrete: bool = False, differs: bool = True) -> Design:
    return Design({"x": column_basis(x, is_discrete, SPLIT)}, differs=differs)


def features(design: Design, x: np.ndarray) -> np.ndarray:
    return design(Columns(design.bases, lambda _: x), x.shape)


def causes(design: Design, x: np.ndarray) -> Causes:
    return design.causes(Columns(design.bases, lambda _: x[None]), len(x))


def rows_of(side: int, index: np.ndarray) -> Rows:
    luck = np.random.default_rng(3).random((len(index), 2))
    return Rows(side, index, luck, slice(0, 1))


def test_a_line_is_fitted_as_a_line_and_goes_on_beyond_the_knots():
    rng = np.random.default_rng(0)
    x = rng.normal(size=2 * SPLIT)
    x[-20:] = np.linspace(4, 8, 20)
    y = 2 * x - 1
    design = design_of(x, differs=False)
    fit = fit_number(
        y, features(design, x), design.layout, window_of(len(x)), np.arange(len(x)) % GROUPS, GROUPS
    )
    index = np.arange(10)
    moved = causes(design, np.full(10, 7.0))
    again = fit.rerun(rows_of(0, index), moved, np.zeros(10, dtype=bool))
    assert again[0] == pytest.approx(13.0, abs=0.05)


def test_a_row_keeps_its_own_noise_and_takes_the_other_windows_level():
    rng = np.random.default_rng(1)
    x = rng.normal(size=2 * SPLIT)
    noise = 0.3 * rng.normal(size=len(x))
    y = np.sin(x) + 2.0 * window_of(len(x)) + noise
    design = design_of(x)
    matrix = features(design, x)
    fit = fit_number(
        y, matrix, design.layout, window_of(len(x)), np.arange(len(x)) % GROUPS, GROUPS
    )
    index = np.arange(SPLIT)
    moved = causes(design, x[index])
    stay = fit.rerun(rows_of(0, index), moved, np.zeros(SPLIT, dtype=bool))
    assert stay[0] == pytest.approx(y[index])
    go = fit.rerun(rows_of(0, index), moved, np.ones(SPLIT, dtype=bool))
    assert go[0] == pytest.approx(y[index] + 2.0, abs=0.25)


def test_a_spread_that_grows_with_the_cause_grows_when_the_cause_does():
    rng = np.random.default_rng(2)
    x = rng.uniform(-1, 1, size=2 * SPLIT)
    y = np.exp(x) * rng.normal(size=len(x))
    design = design_of(x, differs=False)
    fit = fit_number(
        y, features(design, x), design.layout, window_of(len(x)), np.arange(len(x)) % GROUPS, GROUPS
    )
    index = np.flatnonzero((x < -0.9) & (window_of(len(x)) == 0))
    moved = causes(design, np.full(len(index), 0.95))
    again = fit.rerun(rows_of(0, index), moved, np.zeros(len(index), dtype=bool))
    assert np.std(again) / np.std(y[index]) == pytest.approx(np.exp(1.9), rel=0.25)


def test_categories_change_as_often_as_their_chances_do_and_no_oftener():
    rng = np.random.default_rng(4)
    x = rng.normal(size=4 * SPLIT)
    window = (np.arange(len(x)) >= 2 * SPLIT).astype(float)
    chance = np.where(window == 1, 0.7, 0.2)
    level = (rng.random(len(x)) < chance).astype(float)
    design = Design({"x": column_basis(x, False, 2 * SPLIT)}, differs=True)
    matrix = features(design, x)
    fit = fit_category(level, matrix, design.layout, window, np.arange(len(x)) % GROUPS, GROUPS)
    index = np.arange(2 * SPLIT)
    everyone = np.ones(len(index), dtype=bool)
    again = fit.rerun(rows_of(0, index), causes(design, x[index]), everyone)[0]
    assert again.mean() == pytest.approx(0.7, abs=0.03)
    assert (again[level[index] == 1] == 1).mean() > 0.99
    outcomes = fit.outcomes(rows_of(0, index), causes(design, x[index]), everyone)
    assert sum(chance[0] for _, chance in outcomes) == pytest.approx(1.0)
    one = next(chance for level, chance in outcomes if level == 1)
    assert one.mean() == pytest.approx(0.7, abs=0.03)


def test_grades_are_never_between_two_values_and_as_often_each_as_in_the_other_window():
    rng = np.random.default_rng(5)
    window = window_of(2 * SPLIT)
    x = rng.normal(size=len(window))
    grade = np.digitize(x + 0.6 * window + rng.normal(size=len(x)), [-1, 0, 1]) + 1.0
    design = design_of(x)
    given = features(design, x), design.layout, window, np.arange(len(x)) % GROUPS, GROUPS
    assert has_few_values(grade) and not has_few_values(x)
    fit = fit_grade(grade, *given)
    index = np.arange(SPLIT)
    args = rows_of(0, index), causes(design, x[:SPLIT]), np.ones(SPLIT, dtype=bool)
    again = fit.rerun(*args)[0]
    assert set(again) == {1.0, 2.0, 3.0, 4.0}
    for level, chance in fit.outcomes(*args):
        share = (grade[SPLIT:] == level).mean()
        assert (again == level).mean() == pytest.approx(share, abs=0.03)
        assert chance.mean() == pytest.approx(share, abs=0.03)


def claims(rng: np.random.Generator, window: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Most are 0; in the current window as many more are not as are here for a larger x."""
    x = rng.normal(size=len(window))
    is_claim = rng.random(len(x)) < 1 / (1 + np.exp(1 - x - window))
    return x, np.where(is_claim, np.exp(1 + 0.5 * x + 0.4 * rng.normal(size=len(x))), 0.0)


def test_claims_become_as_many_and_as_large_as_the_other_windows():
    window = window_of(2 * SPLIT)
    rng = np.random.default_rng(6)
    x, y = claims(rng, window)
    design = design_of(x)
    fit = fit_in_two_parts(
        y, features(design, x), design.layout, window, np.arange(len(x)) % GROUPS, GROUPS,
        rng.random(len(x)),
    )  # fmt: skip
    assert fit is not None and fit.end == 0
    index = np.arange(SPLIT)
    everyone, same = np.ones(SPLIT, dtype=bool), causes(design, x[:SPLIT])
    again = fit.rerun(rows_of(0, index), same, everyone)[0]
    share, mean = (y[SPLIT:] > 0).mean(), y[y > 0].mean()
    assert (again > 0).mean() == pytest.approx(share, abs=0.03)
    assert again[again > 0].mean() == pytest.approx(mean, rel=0.06)
    assert (again[y[:SPLIT] > 0] > 0).mean() > 0.97  # who had a claim keeps it
    outcomes = fit.outcomes(rows_of(0, index), same, everyone)
    expected = sum((chance * value).mean() for value, chance in outcomes)
    assert expected == pytest.approx(y[SPLIT:].mean(), rel=0.06)
    left = fit.rerun(rows_of(0, index), same, ~everyone)[0]
    assert left == pytest.approx(y[:SPLIT])


@pytest.mark.parametrize("values", ["normal", "counts", "claims in one window"])
def test_numbers_that_are_not_often_at_an_end_in_both_windows_are_in_one_part(values):
    window = window_of(2 * SPLIT)
    rng = np.random.default_rng(7)
    x, y = claims(rng, window)
    if values == "normal":
        y = x + rng.normal(size=len(x))
    elif values == "counts":
        y = rng.poisson(1.0, len(x)).astype(float)
    else:
        y[:SPLIT] += 1 + rng.random(SPLIT)
    design = design_of(x)
    given = features(design, x), design.layout, window, np.arange(len(x)) % GROUPS, GROUPS
    assert fit_in_two_parts(y, *given, rng.random(len(x))) is None


def test_features_that_say_nothing_are_shrunk_away_and_those_that_do_are_not():
    rng = np.random.default_rng(5)
    design = np.column_stack([np.ones(2000), rng.normal(size=(2000, 6))])
    response = 3 * design[:, 1] + rng.normal(size=2000)
    kinds = np.array([-1, 0, 1, 1, 1, 1, 1])
    penalty = penalties_by_evidence(
        design.T @ design, design.T @ response, float(response @ response), 2000, kinds
    )
    assert penalty[1] < 10
    assert penalty[2] > 200
    assert penalty[0] < 1e-6


def test_very_many_causes_have_a_line_each():
    rng = np.random.default_rng(6)
    columns = {f"x{i}": rng.normal(size=300) for i in range(61)}
    design = Design({n: column_basis(v, False, 150) for n, v in columns.items()}, differs=False)
    matrix = design(Columns(design.bases, columns.__getitem__), (300,))
    assert matrix.shape == (300, 62)
    assert len(design.layout.kinds) == 62
    assert abs(np.corrcoef(matrix[:, 5], columns["x4"])[0, 1]) > 0.999


@pytest.mark.parametrize("differs", [False, True])
def test_products_with_causes_are_products_with_their_features(differs):
    rng = np.random.default_rng(7)
    columns = {
        "number": rng.normal(size=2 * SPLIT),
        "holes": np.where(rng.random(2 * SPLIT) < 0.1, np.nan, rng.normal(size=2 * SPLIT)),
        "beyond": rng.normal(size=2 * SPLIT) + 2 * window_of(2 * SPLIT),
        "two values": rng.integers(0, 2, size=2 * SPLIT).astype(float),
        "level": rng.integers(0, 4, size=2 * SPLIT).astype(float),
    }
    bases = {n: column_basis(v, n == "level", SPLIT) for n, v in columns.items()}
    design = Design(bases, differs=differs)
    matrix = design(Columns(bases, columns.__getitem__), (2 * SPLIT,))
    weights = rng.normal(size=(2, 3, matrix.shape[1]))
    known = Columns(bases, lambda name: columns[name][None])
    assert design.reaches_beyond
    assert design.causes(known, 2 * SPLIT).times(weights) == pytest.approx(weights @ matrix.T)
