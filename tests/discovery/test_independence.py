"""Every independence test: its level, its symmetry, its power, and known values."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import chdtrc, fdtrc, stdtr
from scipy.stats import binom

from whydrift.discovery import OptionError, Snapshot
from whydrift.discovery.independence import independence_test
from whydrift.discovery.independence.registry import choose_test, rows
from whydrift.discovery.snapshot.schema import ColumnKind

ROWS = {row.name: row for row in rows()}
NAMES = ("x", "y", "z", "w")


def column(kind: ColumnKind, signal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A column of a kind that follows a signal with standard deviation 1."""
    noisy = signal + rng.normal(size=signal.shape)
    if kind is ColumnKind.CONTINUOUS:
        return noisy
    if kind is ColumnKind.BINARY:
        return np.where(noisy > 0.3, "yes", "no")
    return np.array(["low", "middle", "high"])[np.digitize(noisy, [-0.8, 0.8])]


def kinds_of(test: str) -> list[tuple[ColumnKind, ...]]:
    """Kinds of x, y, z and w that a test is tried on."""
    number, name, flag = ColumnKind.CONTINUOUS, ColumnKind.CATEGORICAL, ColumnKind.BINARY
    tried = [(number,) * 4, (name, flag, name, flag), (name, number, flag, name)]
    tried += [(number, number, name, flag), (name, flag, number, number)]
    return [kinds for kinds in tried if ROWS[test].kinds.issuperset(kinds)]


CASES = [(name, kinds) for name in ROWS for kinds in kinds_of(name)]


def window(
    kinds: tuple[ColumnKind, ...], rng: np.random.Generator, *, count: int = 400, direct: float = 0
) -> Snapshot:
    """x and y depend on z; on each other only by ``direct``."""
    z_signal = rng.normal(size=count)
    z = column(kinds[2], z_signal, rng)
    # What x and y follow is what was recorded of z, so that z separates them.
    seen = np.unique(z, return_inverse=True)[1] if z.dtype.kind == "U" else z
    seen = (seen - seen.mean()) / max(seen.std(), 1e-9)
    hidden = direct * rng.normal(size=count)
    values = {
        "x": column(kinds[0], 0.7 * seen + hidden, rng),
        "y": column(kinds[1], 0.7 * seen + hidden, rng),
        "z": z,
        "w": column(kinds[3], np.zeros(count), rng),
    }
    chosen = dict(zip(NAMES, kinds, strict=True))
    return Snapshot.from_frame(pa.table(values), kinds=chosen)


def p_value(test: str, snapshot: Snapshot, x: str, y: str, *given: str) -> float:
    asked, _ = independence_test(test, snapshot, NAMES)
    position = NAMES.index
    index = np.array([[position(n) for n in given]], dtype=np.int64).reshape(1, len(given))
    return float(asked(np.array([position(x)]), np.array([position(y)]), index)[0])


@pytest.mark.parametrize(("test", "kinds"), CASES)
def test_p_values_are_uniform_when_z_separates(test, kinds):
    rng = np.random.default_rng(7)
    trials = 300
    found = np.array([p_value(test, window(kinds, rng), "x", "y", "z") for _ in range(trials)])
    # A right test leaves these bounds for at most two seeds in a million.
    for level in (0.05, 0.3):
        rejections = (found <= level).sum()
        assert binom.ppf(1e-6, trials, level) <= rejections <= binom.isf(1e-6, trials, level)


@pytest.mark.parametrize(("test", "kinds"), CASES)
def test_a_direct_dependence_is_found_and_a_separated_one_is_seen_without_z(test, kinds):
    rng = np.random.default_rng(1)
    assert p_value(test, window(kinds, rng, count=2000, direct=1), "x", "y", "z") < 1e-4
    assert p_value(test, window(kinds, rng, count=2000), "x", "y") < 1e-4


@pytest.mark.parametrize(("test", "kinds"), CASES)
def test_x_and_y_can_change_places(test, kinds):
    snapshot = window(kinds, np.random.default_rng(2))
    for given in ((), ("z",), ("z", "w"), ("w", "z")):
        one, other = (p_value(test, snapshot, *pair, *given) for pair in ("xy", "yx"))
        assert one == pytest.approx(other, rel=1e-6)


@pytest.mark.parametrize(("test", "kinds"), CASES)
def test_the_order_of_independent_rows_does_not_matter(test, kinds):
    rng = np.random.default_rng(3)
    snapshot = window(kinds, rng)
    shuffled = snapshot.take(rng.permutation(len(snapshot.sample)))
    answers = [p_value(test, s, "x", "y", "z", "w") for s in (snapshot, shuffled)]
    assert answers[0] == pytest.approx(answers[1], rel=1e-6)


@pytest.mark.parametrize(("test", "kinds"), CASES)
def test_many_tests_at_once_answer_like_one_by_one(test, kinds):
    snapshot = window(kinds, np.random.default_rng(4))
    asked, _ = independence_test(test, snapshot, NAMES)
    x, y = np.array([0, 0, 1, 2]), np.array([1, 2, 3, 3])
    given = np.array([[2], [3], [0], [1]])
    single = [asked(x[[i]], y[[i]], given[[i]])[0] for i in range(4)]
    np.testing.assert_allclose(asked(x, y, given), single, rtol=1e-9)


@pytest.mark.parametrize(("test", "kinds"), CASES)
def test_rows_where_a_column_of_the_test_is_missing_count_for_nothing(test, kinds):
    rng = np.random.default_rng(5)
    snapshot = window(kinds, rng)
    values = {name: snapshot.column(name).copy() for name in NAMES}
    for name in ("y", "z", "w"):
        values[name][rng.random(len(values[name])) < 0.1] = np.nan
    holes = snapshot.with_sample(values)
    # The same numbers on the complete rows alone; ranks are taken over all rows in the one, over
    # the complete ones in the other, so that only tests without ranks agree to the last digit.
    complete = np.flatnonzero(np.isfinite(holes.columns(("x", "y", "z"))).all(axis=1))
    tolerance = 1e-9 if test in {"fisher_z", "g_square"} else 0.3
    some = p_value(test, holes, "x", "y", "z")
    assert some == pytest.approx(p_value(test, holes.take(complete), "x", "y", "z"), rel=tolerance)


@pytest.mark.parametrize("test", ["fisher_z", "rank_fisher_z", "mixed"])
def test_rows_that_repeat_their_neighbours_do_not_pass_for_evidence(test):
    rng = np.random.default_rng(6)
    trials, rejections = 200, 0
    for _ in range(trials):
        walk = np.cumsum(rng.normal(size=(500, 2)), axis=0)
        ar = np.zeros((500, 2))
        for t in range(1, 500):
            ar[t] = 0.8 * ar[t - 1] + walk[t] - walk[t - 1]
        snapshot = Snapshot.from_frame(pa.table({"x": ar[:, 0], "y": ar[:, 1]}))
        asked, _ = independence_test(test, snapshot, ("x", "y"))
        rejections += asked(np.array([0]), np.array([1]), np.empty((1, 0), dtype=int))[0] < 0.05
    # Counting all rows would reject about every third time.
    assert rejections <= binom.isf(1e-6, trials, 0.05)


# ---- known values -----------------------------------------------------------------------------
def test_fisher_z_agrees_with_the_formula():
    rng = np.random.default_rng(8)
    values = rng.normal(size=(200, 4)) @ rng.normal(size=(4, 4))
    snapshot = Snapshot.from_frame(pa.table(dict(zip(NAMES, values.T, strict=True))))
    residuals = []
    design = np.column_stack([np.ones(200), values[:, 2:]])
    for place in (0, 1):
        slopes = np.linalg.lstsq(design, values[:, place], rcond=None)[0]
        residuals.append(values[:, place] - design @ slopes)
    r = np.corrcoef(*residuals)[0, 1]
    z = np.sqrt(200 - 2 - 3) * np.arctanh(r)
    from scipy.special import erfc

    expected = erfc(abs(z) / np.sqrt(2))
    assert p_value("fisher_z", snapshot, "x", "y", "z", "w") == pytest.approx(expected, rel=1e-9)


def test_mixed_of_two_numbers_is_the_t_test_of_the_partial_correlation():
    rng = np.random.default_rng(9)
    snapshot = window((ColumnKind.CONTINUOUS,) * 4, rng, count=150, direct=0.3)
    from whydrift.discovery.scores.features import rank_normal

    x, y, z = (rank_normal(snapshot.column(n)) for n in "xyz")
    bent = [np.maximum(z - knot, 0) for knot in (-1.2, -0.6, 0, 0.6, 1.2)]
    design = np.column_stack([np.ones(150), z, *bent])
    rest = [v - design @ np.linalg.lstsq(design, v, rcond=None)[0] for v in (x, y)]
    r = np.corrcoef(*rest)[0, 1]
    freedom = 150 - 7 - 1
    expected = 2 * stdtr(freedom, -abs(r) * np.sqrt(freedom / (1 - r**2)))
    assert p_value("mixed", snapshot, "x", "y", "z") == pytest.approx(expected, rel=1e-5)


def test_mixed_of_a_number_and_a_category_is_the_analysis_of_variance():
    groups = np.repeat(["a", "b", "c"], 20)
    rng = np.random.default_rng(10)
    values = rng.normal(size=60) + (groups == "b") * 0.5
    order = rng.permutation(60)
    snapshot = Snapshot.from_frame(pa.table({"x": values[order], "y": groups[order]}))
    from whydrift.discovery.scores.features import rank_normal

    scores = rank_normal(snapshot.column("x"))
    codes = snapshot.column("y")
    between = sum(20 * scores[codes == c].mean() ** 2 for c in range(3))
    within = sum(((scores[codes == c] - scores[codes == c].mean()) ** 2).sum() for c in range(3))
    expected = fdtrc(2, 57, between / 2 / (within / 57))
    asked, _ = independence_test("mixed", snapshot, ("x", "y"))
    found = asked(np.array([0]), np.array([1]), np.empty((1, 0), dtype=int))[0]
    assert found == pytest.approx(expected, rel=1e-5)


def spread(table: dict[tuple[int, ...], int], names: tuple[str, ...]) -> Snapshot:
    rows_ = np.array([cell for cell, count in table.items() for _ in range(count)])
    rows_ = rows_[np.random.default_rng(0).permutation(len(rows_))]
    kinds = dict.fromkeys(names, "categorical")
    return Snapshot.from_frame(pa.table(dict(zip(names, rows_.T, strict=True))), kinds=kinds)


def test_g_square_agrees_with_a_table_by_hand():
    # Agresti (2007), An Introduction to Categorical Data Analysis, table 2.5 (gender by party
    # identification): G² = 30.02 with 2 degrees of freedom.
    counts = ((762, 327, 468), (484, 239, 477))
    table = {(i, j): counts[i][j] for i in range(2) for j in range(3)}
    asked, _ = independence_test("g_square", spread(table, ("x", "y")), ("x", "y"))
    found = asked(np.array([0]), np.array([1]), np.empty((1, 0), dtype=int))[0]
    assert found == pytest.approx(chdtrc(2, 30.0167), rel=1e-3)


def test_g_square_adds_strata_and_counts_only_levels_that_occur():
    first, second = ((20, 30), (30, 20)), ((40, 10), (0, 0))  # the second has one level of x
    table = {(i, j, 0): first[i][j] for i in range(2) for j in range(2)}
    table |= {(i, j, 1): second[i][j] for i in range(2) for j in range(2)}
    snapshot = spread({k: v for k, v in table.items() if v}, ("x", "y", "z"))
    asked, _ = independence_test("g_square", snapshot, ("x", "y", "z"))
    found = asked(np.array([0]), np.array([1]), np.array([[2]]))[0]
    statistic = 2 * (2 * 20 * np.log(20 / 25) + 2 * 30 * np.log(30 / 25))
    assert found == pytest.approx(chdtrc(1, statistic), rel=1e-9)


def test_g_square_gives_no_answer_with_few_rows_per_cell():
    rng = np.random.default_rng(0)
    values = {n: rng.integers(0, 4, size=60).astype(str) for n in "xyz"}
    asked, _ = independence_test("g_square", Snapshot.from_frame(pa.table(values)), ("x", "y", "z"))
    assert np.isnan(asked(np.array([0]), np.array([1]), np.array([[2]]))[0])


def test_a_tiny_p_value_is_not_zero():
    rng = np.random.default_rng(0)
    x = rng.normal(size=1000)
    frame = pa.table({"x": x, "y": x + rng.normal(size=1000) * 1.2})
    asked, _ = independence_test("fisher_z", Snapshot.from_frame(frame), ("x", "y"))
    assert 0 < asked(np.array([0]), np.array([1]), np.empty((1, 0), dtype=int))[0] < 1e-80


@pytest.mark.parametrize("test", ["fisher_z", "rank_fisher_z", "mixed"])
def test_there_is_no_answer_about_what_the_given_columns_determine(test):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 500))
    frame = pa.table({"x": a, "y": a + b, "z": a * 2, "w": b})
    snapshot = Snapshot.from_frame(frame)
    assert np.isnan(p_value(test, snapshot, "x", "y", "z"))  # z is x on another scale
    if test == "fisher_z":
        assert np.isnan(p_value(test, snapshot, "y", "x", "z", "w"))  # y is their sum


# ---- the choice -------------------------------------------------------------------------------
def choice(**columns: np.ndarray) -> str:
    snapshot = Snapshot.from_frame(pa.table(columns))
    return choose_test(snapshot, snapshot.schema.names)[0]


def test_the_choice_follows_the_kinds_and_the_shape_of_the_columns():
    rng = np.random.default_rng(0)
    normal, other = rng.normal(size=(2, 500))
    names = rng.choice(["a", "b", "c"], size=500)
    assert choice(x=normal, y=other) == "fisher_z"
    assert choice(x=normal, y=np.exp(other)) == "rank_fisher_z"
    assert choice(x=names, y=rng.choice(["u", "v"], size=500)) == "g_square"
    assert choice(x=names, y=normal) == "mixed"


def test_the_choice_is_told_with_its_reason():
    rng = np.random.default_rng(0)
    snapshot = Snapshot.from_frame(
        pa.table({"x": rng.normal(size=500), "y": rng.exponential(size=500)})
    )
    _, (note, *_) = independence_test("auto", snapshot, ("x", "y"))
    assert note.code == "method_choice"
    assert "rank_fisher_z" in note.text
    assert "'y' is not normal" in note.text


def test_an_unknown_test_or_kind_is_an_option_error():
    snapshot = window(kinds_of("mixed")[-1], np.random.default_rng(0))
    with pytest.raises(OptionError, match="Did you mean 'fisher_z'"):
        independence_test("fisherz", snapshot, NAMES)
    with pytest.raises(OptionError, match="does not serve column 'x', which is categorical"):
        independence_test("fisher_z", snapshot, NAMES)
