"""Every score: its value against a reference, its class, and its compiled twin."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from scipy.special import gammaln

from whydrift.discovery.errors import OptionError
from whydrift.discovery.scores.rare import rare_pair_costs
from whydrift.discovery.scores.registry import (
    choose_score,
    known_scores,
    rows,
    score_named,
)
from whydrift.discovery.search import _score_kernel
from whydrift.discovery.snapshot.schema import ColumnKind
from whydrift.discovery.snapshot.snapshot import Snapshot

NUMBERS = ("a", "b", "c", "d", "e")
NAMES = ("k", "m", "n")


def table(seed: int = 0, rows: int = 600, shift: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    a, d, e = rng.normal(size=(3, rows))
    b = a + shift + rng.normal(size=rows)
    m = rng.choice(list("xyz"), size=rows)
    return pd.DataFrame(
        {
            "a": a,
            "b": b,
            "c": b + d + rng.normal(size=rows),
            "d": d,
            "e": e,
            "k": np.where(a > 0, "u", "v"),
            "m": m,
            "n": np.where(rng.random(rows) < 0.3, "x", m),
        }
    )


def columns_of(row) -> tuple[str, ...]:
    if ColumnKind.CATEGORICAL not in row.kinds:
        return NUMBERS
    return (*NUMBERS, *NAMES) if ColumnKind.CONTINUOUS in row.kinds else NAMES


def windows(count: int) -> list[Snapshot]:
    first = Snapshot.from_frame(table())
    later = [table(seed, 300 * seed, shift=1.0) for seed in range(1, count)]
    return [first, *(Snapshot.from_frame(frame, schema=first.schema) for frame in later)]


@pytest.fixture(params=["compiled", "interpreted"])
def kernel(request, monkeypatch):
    """The kernel, compiled or as the Python that it is written in."""
    if request.param == "interpreted":
        for name, value in list(vars(_score_kernel).items()):
            if hasattr(value, "py_func"):
                monkeypatch.setattr(_score_kernel, name, value.py_func)
        monkeypatch.setattr(_score_kernel, "pointer", lambda function, signature: function)
    return _score_kernel.improvements


# ---- all of them ------------------------------------------------------------------------------
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("row", rows(), ids=lambda row: row.name)
def test_the_kernel_computes_what_the_score_does(row, count, kernel):
    names = columns_of(row)
    score, _ = score_named(row.name, windows(count), names)
    arrays = score.arrays()
    improve = _score_kernel.improver(arrays)
    rng = np.random.default_rng(1)
    for _ in range(6):
        size = int(rng.integers(0, len(names) - 1))
        column, *parents = rng.permutation(len(names))[: size + 1].tolist()
        given = np.array(parents, dtype=np.int64)
        expected = float(score.local(column, [tuple(parents)])[0])
        offered = np.ones(len(names), dtype=bool)
        alone = kernel(improve, arrays, column, given, size, offered, np.empty(0))
        assert alone == pytest.approx(expected, rel=1e-7, abs=1e-6)
        offered[[column, *parents]] = False
        gains = np.full(len(names), np.nan)
        kernel(improve, arrays, column, given, size, offered, gains)
        for j in np.flatnonzero(offered).tolist():
            gain = float(score.local(column, [(*parents, j)])[0]) - expected
            assert gains[j] == pytest.approx(max(gain, 0.0), rel=1e-6, abs=1e-5)
        assert (gains[~offered] == 0).all()


@pytest.mark.parametrize("name", ["bic", "ebic", "bdeu"])
def test_graphs_of_one_class_score_alike(name):
    row = next(row for row in rows() if row.name == name)
    names = columns_of(row)[:3]
    score, _ = score_named(name, windows(1), names)
    full = []
    for order in permutations(range(3)):
        parents = [order[:i] for i in range(3)]
        full.append(sum(score.local(x, [p])[0] for x, p in zip(order, parents, strict=True)))
    assert np.ptp(full) < 1e-6 * abs(full[0])


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.name)
def test_a_parent_that_tells_nothing_lowers_the_score_and_one_that_tells_raises_it(row):
    names = columns_of(row)
    score, _ = score_named(row.name, windows(1), names)
    pairs = (("b", "a", "e"),) if "a" in names else (("n", "m", "k"),)
    for column, cause, stranger in pairs:
        x, good, bad = (names.index(c) for c in (column, cause, stranger))
        none, with_good, with_bad = score.local(x, [(), (good,), (bad,)])
        assert with_good > none > with_bad


def test_a_parent_set_is_evaluated_once():
    score, _ = score_named("bic", windows(1), NUMBERS)
    score.local(0, [(1, 2), (2, 1)])
    before = score.evaluations
    assert before == 1
    score.local(0, [(1, 2)])
    assert score.evaluations == before


# ---- values -----------------------------------------------------------------------------------
def test_bic_is_the_likelihood_of_a_regression_less_half_log_n_per_parameter():
    frame = table()
    score, _ = score_named("bic", windows(1), NUMBERS, penalty=2.0)
    n = len(frame)
    design = np.column_stack([np.ones(n), frame.b, frame.d])
    residual = frame.c - design @ np.linalg.lstsq(design, frame.c, rcond=None)[0]
    expected = -n / 2 * np.log((residual**2).mean() / frame.c.var(ddof=0)) - 2 * 1.5 * np.log(n)
    assert score.local(2, [(1, 3)])[0] == pytest.approx(expected)


def test_ebic_adds_the_log_of_the_choices():
    plain, _ = score_named("bic", windows(1), NUMBERS)
    extended, _ = score_named("ebic", windows(1), NUMBERS)
    gap = plain.local(2, [(1, 3)])[0] - extended.local(2, [(1, 3)])[0]
    assert gap == pytest.approx(np.log(6))  # C(4, 2)


def test_bdeu_is_the_product_of_dirichlet_integrals():
    frame = pd.DataFrame({"x": list("aaabbb") * 10, "y": list("aabbbb") * 10})
    window = Snapshot.from_frame(frame, kinds={"x": "categorical", "y": "categorical"})
    score, _ = score_named("bdeu", [window], ("x", "y"))
    expected = 0.0
    for _, part in frame.groupby("x"):
        counts = part.y.value_counts().to_numpy()
        expected += (gammaln(counts + 1.25) - gammaln(1.25)).sum()
        expected -= gammaln(counts.sum() + 2.5) - gammaln(2.5)
    assert score.local(1, [(0,)])[0] == pytest.approx(expected)


def test_offsets_of_a_billion_cost_no_digits():
    frame = table()[list(NUMBERS)]
    near, _ = score_named("bic", [Snapshot.from_frame(frame)], NUMBERS)
    far, _ = score_named("bic", [Snapshot.from_frame(frame + 1e9)], NUMBERS)
    assert far.local(2, [(1, 3)])[0] == pytest.approx(near.local(2, [(1, 3)])[0], rel=1e-4)


def test_alike_neighbours_count_for_less():
    rng = np.random.default_rng(0)
    slow = np.zeros((1000, 2))
    for i in range(1, 1000):
        slow[i] = 0.95 * slow[i - 1] + rng.normal(size=2)
    score, _ = score_named("bic", [Snapshot.from_frame(pd.DataFrame(slow, columns=["a", "b"]))],
                           ("a", "b"))  # fmt: skip
    assert score.arrays().rows < 300


# ---- several windows --------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["bic", "ebic", "mixed", "spline_bic", "spline_ebic"])
def test_only_the_column_whose_mechanism_moved_pays_for_it(name):
    score, _ = score_named(name, windows(3), NUMBERS)
    a, b, c, d = (NUMBERS.index(x) for x in "abcd")
    assert score.moved(b, (a,))
    assert not score.moved(a, ())
    assert not score.moved(c, (b, d))
    assert score.moved(c, ())


def test_one_window_apart_from_many_alike_is_cheaper_than_all_apart():
    first = Snapshot.from_frame(table(rows=300))
    alike = [Snapshot.from_frame(table(s, 300), schema=first.schema) for s in range(1, 5)]
    other = Snapshot.from_frame(table(9, 300, shift=0.6), schema=first.schema)
    score, _ = score_named("bic", [first, *alike, other], NUMBERS)
    assert score.moved(1, (0,)) == (5,)
    score, _ = score_named("bic", [first, *alike], NUMBERS)
    assert not score.moved(1, (0,))


def test_the_windows_that_moved_are_told_from_those_that_did_not():
    first = Snapshot.from_frame(table(rows=400))
    shifts = (0.0, 0.8, 0.0, -0.7, 0.0, 0.0)
    later = [
        Snapshot.from_frame(table(s, 400, shift=shift), schema=first.schema)
        for s, shift in enumerate(shifts, start=1)
    ]
    score, _ = score_named("spline_bic", [first, *later], NUMBERS)
    assert score.moved(1, (0,)) == (2, 4)


def test_which_windows_of_many_moved_is_paid_for_as_a_choice():
    """Of a column that did not move no window is set apart, however many are there to choose."""
    frames = [table(s, 300) for s in range(12)]
    first = Snapshot.from_frame(frames[0])
    later = [Snapshot.from_frame(frame, schema=first.schema) for frame in frames[1:]]
    score, _ = score_named("bic", [first, *later], NUMBERS)
    assert not any(score.moved(x, p) for x, p in ((0, ()), (1, (0,)), (2, (1, 3)), (4, ())))


# ---- missing values ---------------------------------------------------------------------------
@pytest.mark.parametrize("share", [0.02, 0.1])
@pytest.mark.parametrize("row", rows(), ids=lambda row: row.name)
def test_missing_values_leave_scores_finite_and_telling(row, share):
    rng = np.random.default_rng(0)
    frame = table()
    frame = frame.mask(rng.random(frame.shape) < share)
    names = columns_of(row)
    score, _ = score_named(row.name, [Snapshot.from_frame(frame)], names)
    x, cause = (names.index(c) for c in (("b", "a") if "a" in names else ("n", "m")))
    none, with_cause = score.local(x, [(), (cause,)])
    assert np.isfinite([none, with_cause]).all()
    assert with_cause > none


# ---- the choice -------------------------------------------------------------------------------
def test_the_score_is_chosen_by_the_kinds_and_shapes_of_columns():
    frame = table(rows=2000)
    window = Snapshot.from_frame(frame)
    assert choose_score([window], NUMBERS)[0] == "ebic"
    assert choose_score([window], NAMES)[0] == "bdeu"
    assert choose_score([window], (*NUMBERS, *NAMES))[0] == "spline_ebic"
    skewed = Snapshot.from_frame(frame.assign(e=np.exp(frame.e)))
    assert choose_score([skewed], NUMBERS) == (
        "spline_ebic",
        "all columns are numbers, and 'e' is not normal",
    )
    bent = Snapshot.from_frame(frame.assign(e=0.7 * (frame.a**2 - 1) / 2 + frame.e))
    name, reason = choose_score([bent], NUMBERS)
    assert name == "spline_ebic"
    assert "not normal" in reason or "bends" in reason
    holes = frame.mask(np.random.default_rng(0).random(frame.shape) < 0.1)
    assert choose_score([Snapshot.from_frame(holes)], NUMBERS)[0] == "spline_ebic"


def test_straight_lines_with_normal_noise_are_hardly_ever_taken_for_bent():
    chosen = [choose_score([Snapshot.from_frame(table(s, 400))], NUMBERS)[0] for s in range(40)]
    assert chosen.count("ebic") >= 38


def test_scores_that_do_not_serve_a_column_are_refused_by_name():
    window = windows(1)
    with pytest.raises(OptionError, match="'bic' does not serve column 'k', which is binary"):
        score_named("bic", window, ("a", "k"))
    with pytest.raises(OptionError, match="Did you mean 'bdeu'"):
        score_named("bde", window, NAMES)
    assert known_scores()[0] == "auto"


# ---- rare values ------------------------------------------------------------------------------
def sparse(rows: int, columns: int, share: float, seed: int) -> Snapshot:
    rng = np.random.default_rng(seed)
    there = rng.random((rows, columns)) < share
    values = np.where(there, rng.lognormal(size=(rows, columns)), 0.0)
    return Snapshot.from_frame(pd.DataFrame(values, columns=[f"c{i}" for i in range(columns)]))


def test_rare_values_that_meet_by_chance_hardly_ever_gain():
    # 120 independent columns, 97 % zeros: without the price of rare pairs 45 of 7,140 pairs gain.
    window = sparse(300, 120, 0.03, seed=0)
    score, _ = score_named("spline_ebic", [window], window.schema.names)
    gaining = sum(
        int((score.local(y, [(x,) for x in range(y)]) > score.local(y, [()])).sum())
        for y in range(1, 120)
    )
    assert gaining <= 2


def test_rare_values_that_belong_together_gain_all_the_same():
    rng = np.random.default_rng(1)
    cause = np.where(rng.random(600) < 0.03, rng.lognormal(size=600), 0.0)
    effect = np.where(rng.random(600) < 0.8, cause, 0.0) * rng.lognormal(size=600)
    frame = pd.DataFrame({"cause": cause, "effect": effect, "other": rng.normal(size=600)})
    window = Snapshot.from_frame(frame)
    score, _ = score_named("spline_ebic", [window], ("cause", "effect", "other"))
    assert score.local(1, [(0,)])[0] > score.local(1, [()])[0] + 100


def test_the_price_of_a_rare_pair_is_what_a_poisson_number_that_rare_gains_beyond():
    # Price 8, 300 rows, 3 % each: 0.27 · ((1 + u) log(1 + u) − u) = 8 at the excess u, found here
    # by bisection; shares of a half and columns without a common value cost nothing.
    skewed = (1 - 0.06) ** 4 / (0.03 * 0.97) ** 2
    low, high = 0.0, 1e3
    for _ in range(100):
        u = (low + high) / 2
        low, high = (u, high) if (1 + u) * np.log1p(u) - u < 8 * skewed / 300 else (low, u)
    costs = rare_pair_costs(np.array([0.03, 0.5]), 300, 8.0)
    assert costs[0, 0] == pytest.approx(300 / skewed * u**2 / 2 - 8, rel=1e-3)
    assert (costs.ravel()[1:] == 0).all()
    assert rare_pair_costs(np.array([0.03]), 1e7, 8.0)[0, 0] < 0.2
