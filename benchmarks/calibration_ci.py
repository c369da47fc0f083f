"""How often each independence test rejects where X ⊥ Y | Z holds, and where it does not.

python benchmarks/calibration_ci.py [--quick] [--trials 200] [--tests fisher_z,gcm] [--cases waves]

Prints markdown: per test, case, number of given columns and of rows the rejection rates at the
levels .05 and .01, with their one-sided 99 % lower limits (bold where these lie above the level),
and the p-value of a test that all p-values are uniform; then the power against some dependences.
Cases that break what a test assumes are in italics. Seeds are fixed: a run repeats.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy.stats import beta, kstest

from whydrift.discovery import Snapshot
from whydrift.discovery.errors import OptionError
from whydrift.discovery.independence.registry import independence_test
from whydrift.discovery.independence.registry import rows as test_rows

SIZES, GIVEN, LEVELS = (100, 500, 2_000), (0, 1, 3), (0.05, 0.01)
TOGETHER = 10  # worlds side by side in one table, tested in one call
KCI_ROWS = 500  # beyond, it draws this many rows anyway

Columns = dict[str, np.ndarray]
World = Callable[
    [int, int, np.random.Generator], Columns
]  # x, y, z0, z1, …, and what else there is


@dataclass(frozen=True)
class Case:
    """A way in which data arise with X ⊥ Y | Z (or, for power, without)."""

    name: str
    world: World
    roles: tuple[tuple[str, str], ...] = ()
    together: int = TOGETHER
    fewest_given: int = 0


# ---- worlds where Z separates X and Y -----------------------------------------------------------
def _z(n: int, k: int, rng: np.random.Generator) -> tuple[np.ndarray, Columns]:
    z = rng.normal(size=(n, k))
    return z, {f"z{i}": z[:, i] for i in range(k)}


def _mean(z: np.ndarray) -> np.ndarray:
    return z.sum(axis=1) / max(1.0, np.sqrt(z.shape[1]))


def linear(n: int, k: int, rng: np.random.Generator) -> Columns:
    z, given = _z(n, k, rng)
    e = rng.normal(size=(2, n))
    return {"x": _mean(z) + e[0], "y": _mean(z) + e[1], **given}


def heavy_tails(n: int, k: int, rng: np.random.Generator) -> Columns:
    z, given = _z(n, k, rng)
    e = rng.standard_t(2, size=(2, n))
    return {"x": _mean(z) + e[0], "y": _mean(z) + e[1], **given}


def skewed(n: int, k: int, rng: np.random.Generator) -> Columns:
    return {name: np.exp(values) for name, values in linear(n, k, rng).items()}


def bent(n: int, k: int, rng: np.random.Generator) -> Columns:
    """A monotone and a mildly bent function of each given column."""
    z, given = _z(n, k, rng)
    e = 0.7 * rng.normal(size=(2, n))
    f, g = np.tanh(1.5 * z) + 0.5 * z, np.abs(z) + 0.5 * z
    return {"x": _mean(f + g) + e[0], "y": _mean(g) + e[1], **given}


def waves(n: int, k: int, rng: np.random.Generator) -> Columns:
    """The same wave of each given column in both: the hardest confounder here."""
    z, given = _z(n, k, rng)
    e = 0.5 * rng.normal(size=(2, n))
    return {"x": _mean(np.sin(2 * z)) + e[0], "y": _mean(np.sin(2 * z)) + e[1], **given}


def product(n: int, k: int, rng: np.random.Generator) -> Columns:
    """The product of two given columns in both."""
    z, given = _z(n, k, rng)
    e = 0.7 * rng.normal(size=(2, n))
    both = z[:, 0] * z[:, 1] + z[:, 2]
    return {"x": both + e[0], "y": both + e[1], **given}


def spreads(n: int, k: int, rng: np.random.Generator) -> Columns:
    """Heteroscedastic: both spreads follow Z."""
    z, given = _z(n, k, rng)
    e = rng.normal(size=(2, n)) * np.exp(0.6 * _mean(z))
    return {"x": _mean(z) + e[0], "y": _mean(z) + e[1], **given}


def _levels(signal: np.ndarray, cuts: tuple[float, ...], rng: np.random.Generator) -> np.ndarray:
    names = np.array(list("abcdefgh"))
    return names[np.digitize(signal + rng.normal(size=len(signal)), cuts)]


def _codes(column: np.ndarray) -> np.ndarray:
    codes = np.unique(column, return_inverse=True)[1].astype(float)
    return (codes - codes.mean()) / max(codes.std(), 1e-9)


def discrete(n: int, k: int, rng: np.random.Generator) -> Columns:
    given = {f"z{i}": _levels(np.zeros(n), (0.0,), rng) for i in range(k)}
    s = sum((_codes(z) for z in given.values()), np.zeros(n)) * 0.7
    return {"x": _levels(s, (-0.5, 0.5), rng), "y": _levels(s, (-0.5, 0.5), rng), **given}


def sparse(n: int, k: int, rng: np.random.Generator) -> Columns:
    """Five levels of which some are rare, in all columns."""
    cuts = (0.5, 1.2, 1.8, 2.3)
    given = {f"z{i}": _levels(np.zeros(n), (0.3, 1.2), rng) for i in range(k)}
    s = sum((_codes(z) for z in given.values()), np.zeros(n)) * 0.5
    return {"x": _levels(s, cuts, rng), "y": _levels(s, cuts, rng), **given}


def kinds(pattern: str) -> World:
    """x, y and all of Z numbers (n) or categories (c), as the pattern says."""

    def world(n: int, k: int, rng: np.random.Generator) -> Columns:
        if pattern[2] == "n":
            z, given = _z(n, k, rng)
            s = _mean(z)
        else:
            given = {f"z{i}": _levels(np.zeros(n), (-0.5, 0.5), rng) for i in range(k)}
            s = sum((_codes(z) for z in given.values()), np.zeros(n)) / max(1.0, np.sqrt(k))
        out = {}
        for name, kind in zip("xy", pattern, strict=False):
            if kind == "n":
                out[name] = s + rng.normal(size=n)
            else:
                out[name] = _levels(s, (-0.8, 0.8), rng)
        return {**out, **given}

    return world


def missing_by_given(n: int, k: int, rng: np.random.Generator) -> Columns:
    """A tenth of x and of z0 is lost at random; of y, more where z0 is large."""
    out = linear(n, k, rng)
    chance = 0.3 / (1 + np.exp(-2 * out["z0"])) if k else np.full(n, 0.2)
    out["y"] = np.where(rng.random(n) < chance, np.nan, out["y"])
    for name in ("x", "z0") if k else ("x",):
        out[name] = np.where(rng.random(n) < 0.1, np.nan, out[name])
    return out


def missing_by_effect(n: int, k: int, rng: np.random.Generator) -> Columns:
    """Half of y is lost, mostly where a common effect of x and y is large."""
    out = linear(n, k, rng)
    effect = out["x"] + out["y"] + 0.5 * rng.normal(size=n)
    chance = 1 / (1 + np.exp(-1.2 * effect / effect.std()))
    return {**out, "y": np.where(rng.random(n) < chance, np.nan, out["y"]), "effect": effect}


def weighted(n: int, k: int, rng: np.random.Generator) -> Columns:
    return {**linear(n, k, rng), "weight": np.exp(rng.normal(size=n))}


def weighted_by_effect(n: int, k: int, rng: np.random.Generator) -> Columns:
    """Rows were drawn by a common effect of x and y; the weights undo it."""
    out = linear(8 * n, k, rng)
    chance = 0.05 + 0.3 / (1 + np.exp(-(out["x"] + out["y"])))
    kept = np.flatnonzero(rng.random(8 * n) < chance)[:n]
    return {name: values[kept] for name, values in out.items()} | {"weight": 1 / chance[kept]}


def clustered(n: int, k: int, rng: np.random.Generator) -> Columns:
    """Ten rows a cluster; half of the variance of x, of y and of Z is shared within."""
    cluster = np.arange(n) // 10

    def noise() -> np.ndarray:
        return rng.normal(size=n // 10 + 1)[cluster] + rng.normal(size=n)

    given = {f"z{i}": noise() for i in range(k)}
    s = sum(given.values(), np.zeros(n)) / max(1.0, np.sqrt(k))
    return {"x": s + noise(), "y": s + noise(), **given, "cluster": cluster}


def clustered_categories(n: int, k: int, rng: np.random.Generator) -> Columns:
    out = clustered(n, k, rng)
    cut = {name: np.where(out[name] > 0, "a", "b") for name in out if name[0] == "z"}
    s = sum((_codes(z) for z in cut.values()), np.zeros(n))
    cluster = out["cluster"]
    for name in "xy":
        shared = rng.normal(size=n // 10 + 1)[cluster]
        out[name] = _levels(0.7 * s + shared, (-0.5, 0.8), rng)
    return {**out, **cut}


def _memory(n: int, rng: np.random.Generator, r: float = 0.7) -> np.ndarray:
    e = rng.normal(size=n)
    for t in range(1, n):
        e[t] += r * e[t - 1]
    return e * np.sqrt(1 - r**2)


def autocorrelated(n: int, k: int, rng: np.random.Generator) -> Columns:
    """Noise of x, y and Z remembers: lag-one correlation .7."""
    given = {f"z{i}": _memory(n, rng) for i in range(k)}
    s = sum(given.values(), np.zeros(n)) / max(1.0, np.sqrt(k))
    return {"x": s + _memory(n, rng), "y": s + _memory(n, rng), **given}


def autocorrelated_categories(n: int, k: int, rng: np.random.Generator) -> Columns:
    out = autocorrelated(n, k, rng)
    cut = {name: np.where(out[name] > 0, "a", "b") for name in out if name[0] == "z"}
    s = sum((_codes(z) for z in cut.values()), np.zeros(n))
    names = np.array(["a", "b", "c"])
    for name in "xy":
        out[name] = names[np.digitize(0.5 * s + _memory(n, rng), (-0.5, 0.8))]
    return {**out, **cut}


WEIGHT, CLUSTER = (("weight", "weight"),), (("cluster", "cluster"),)
NULLS = (
    Case("linear", linear),
    Case("heavy_tails", heavy_tails),
    Case("skewed", skewed),
    Case("bent", bent, fewest_given=1),
    Case("waves", waves, fewest_given=1),
    Case("product", product, fewest_given=3),
    Case("spreads", spreads, fewest_given=1),
    Case("discrete", discrete),
    Case("sparse", sparse),
    *(Case(f"kinds_{p}", kinds(p), fewest_given=int(p[2] == "c")) for p in
      ("nnn", "nnc", "ncn", "ncc", "cnn", "cnc", "ccn", "ccc")),
    Case("missing_by_given", missing_by_given, together=1),
    Case("missing_by_effect", missing_by_effect, together=1),
    Case("weighted", weighted, WEIGHT),
    Case("weighted_by_effect", weighted_by_effect, WEIGHT, together=1),
    Case("clustered", clustered, CLUSTER),
    Case("clustered_categories", clustered_categories, CLUSTER),
    Case("autocorrelated", autocorrelated),
    Case("autocorrelated_categories", autocorrelated_categories),
)  # fmt: skip

# Cases that break what a test assumes, as its documentation says.
_BENT = frozenset({"bent", "waves", "product"})
_CLOSED_TO_LINES = _BENT | {"spreads", "missing_by_effect"}
OUTSIDE = {
    "fisher_z": _CLOSED_TO_LINES | {"skewed"},
    "rank_fisher_z": _CLOSED_TO_LINES,
    "mc_fisher_z": _BENT | {"spreads", "skewed"},
    "g_square": frozenset(),
    "chi_square": frozenset(),
    "mixed": frozenset({"waves", "product", "spreads", "missing_by_effect"}),
    "gcm": frozenset({"waves", "missing_by_effect"}),
    "kci": frozenset({"waves", "missing_by_effect", "autocorrelated", "autocorrelated_categories"}),
}


# ---- worlds where they depend -------------------------------------------------------------------
def depends(kind: str) -> World:
    def world(n: int, k: int, rng: np.random.Generator) -> Columns:
        z, given = _z(n, k, rng)
        x, e = _mean(z) + rng.normal(size=n), rng.normal(size=n)
        y = {
            "line": 0.2 * x + e,
            "square": 0.2 * x**2 + e,
            "wave": 0.6 * np.sin(2 * x) + e,
            "spread": e * np.exp(0.3 * x),
            "outliers": 0.3 * x + rng.standard_t(2, size=n),
        }[kind]
        return {"x": x, "y": _mean(z) + y, **given}

    return world


def depends_category(n: int, k: int, rng: np.random.Generator) -> Columns:
    out = discrete(n, k, rng)
    s = sum((_codes(v) for name, v in out.items() if name[0] == "z"), np.zeros(n)) * 0.7
    return {**out, "y": _levels(s + 0.3 * _codes(out["x"]), (-0.5, 0.5), rng)}


def depends_mixed(n: int, k: int, rng: np.random.Generator) -> Columns:
    out = kinds("ncn")(n, k, rng)
    return {**out, "x": out["x"] + 0.3 * (out["y"] == "c")}


POWER = (
    *(Case(kind, depends(kind)) for kind in ("line", "outliers", "square", "wave", "spread")),
    Case("categories", depends_category),
    Case("number and category", depends_mixed),
)


# ---- measuring --------------------------------------------------------------------------------
def tables(case: Case, n: int, k: int, trials: int) -> list[tuple[Snapshot, int]]:
    """Return tables that hold so many worlds in all, and the number of worlds in each."""
    rng = np.random.default_rng(zlib.crc32(f"{case.name} {n} {k}".encode()))
    out = []
    for _ in range(max(1, trials // case.together)):
        columns: Columns = {}
        for place in range(case.together):
            world = case.world(n, k, rng)
            for name, values in world.items():
                shared = name in {"weight", "cluster"}
                columns.setdefault(name if shared else f"{name}_{place}", values)
        names = {c: "categorical" for c, v in columns.items() if v.dtype.kind == "U"}
        out.append(
            (Snapshot.from_frame(pa.table(columns), kinds=names, roles=dict(case.roles)),
             case.together)
        )  # fmt: skip
    return out


def p_values(test: str, found: list[tuple[Snapshot, int]], k: int) -> np.ndarray | None:
    """Return a p-value for each world; None where the test does not serve such columns."""
    out = []
    for snapshot, together in found:
        names = tuple(c for c in snapshot.schema.names if c not in {"weight", "cluster"})
        try:
            asked, _ = independence_test(test, snapshot, names)
        except OptionError:
            return None
        at = {name: place for place, name in enumerate(names)}
        worlds = range(together)
        x, y = (np.array([at[f"{side}_{w}"] for w in worlds]) for side in "xy")
        given = np.array([[at[f"z{i}_{w}"] for i in range(k)] for w in worlds], dtype=np.int64)
        out.append(asked(x, y, given.reshape(together, k)))
    return np.concatenate(out)


@dataclass(frozen=True)
class Cell:
    """What a test did in one case, at one number of rows and of given columns."""

    p_values: np.ndarray  # those that it gave
    asked: int

    @property
    def answers(self) -> bool:
        """Whether it gave an answer at least every other time."""
        return len(self.p_values) >= self.asked / 2

    def rejected(self, level: float) -> float:
        """Return the share of p-values that are at most the level."""
        return float((self.p_values <= level).mean())

    def lower_limit(self, level: float) -> float:
        """Return the one-sided 99 % lower limit of the rate (Clopper & Pearson)."""
        rejected, of = int((self.p_values <= level).sum()), len(self.p_values)
        return float(beta.ppf(0.01, rejected, of - rejected + 1)) if rejected else 0.0

    def fails(self) -> bool:
        """Whether it rejects too often at one of the levels, beyond chance."""
        return self.answers and any(self.lower_limit(level) > level for level in LEVELS)

    def uniformity(self) -> float:
        """Return the p-value of the test of Kolmogorov & Smirnov that all are uniform."""
        return float(kstest(self.p_values, "uniform").pvalue)

    def __str__(self) -> str:
        if not self.answers:
            return "–"
        parts = []
        for level in LEVELS:
            low = self.lower_limit(level)
            text = f"{_short(self.rejected(level))} ({_short(low)})"
            parts.append(f"**{text}**" if low > level else text)
        return " ".join((*parts, _short(self.uniformity(), 2)))


def _short(rate: float, digits: int = 3) -> str:
    text = f"{rate:.{digits}f}"
    return text[1:] if text.startswith("0") else text


def trials_for(test: str, trials: int) -> int:
    """Return how many worlds a test sees; the slow ones see fewer."""
    return max(TOGETHER, trials // {"gcm": 4, "kci": 20}.get(test, 1))


def names_of_tests(asked: str | None) -> list[str]:
    known = [row.name for row in test_rows()]
    if importlib.util.find_spec("causallearn") is None:
        print("causal-learn is not installed: kci is left out\n")
        known.remove("kci")
    return [name for name in known if asked is None or name in asked.split(",")]


def calibrate(test: str, cases: list[Case], sizes: tuple[int, ...], trials: int) -> None:
    """Print one test's table, and a summary of it."""
    trials = trials_for(test, trials)
    print(f"\n### `{test}`, {trials:,} worlds a cell\n")
    head = " | ".join(f"n = {n:,}" for n in sizes)
    print(f"| case | given | {head} |\n|---|---|{'---|' * len(sizes)}")
    within: list[Cell] = []
    failures: list[str] = []
    for case in cases:
        outside = case.name in OUTSIDE[test]
        for k in (k for k in GIVEN if k >= case.fewest_given):
            texts = []
            for n in sizes:
                found = None
                if test != "kci" or n <= KCI_ROWS:
                    found = p_values(test, tables(case, n, k, trials), k)
                if found is None:
                    texts.append("")
                    continue
                cell = Cell(found[np.isfinite(found)], len(found))
                texts.append(str(cell))
                if not outside and cell.answers:
                    within.append(cell)
                    if cell.fails():
                        failures.append(f"{case.name}, {k} given, n = {n:,}: {cell}")
            if any(texts):
                name = f"*{case.name}*" if outside else case.name
                print(f"| {name} | {k} | {' | '.join(texts)} |", flush=True)
    if within:
        rates = [[cell.rejected(level) for cell in within] for level in LEVELS]
        spans = "; ".join(
            f"rejected at {_short(level, 2)}: {np.mean(own):.4f} ({min(own):.3f}–{max(own):.3f})"
            for level, own in zip(LEVELS, rates, strict=True)
        )
        print(f"\n{len(within)} cells within its assumptions; {spans}; too often in", end=" ")
        print(f"{len(failures)}" + "".join(f"\n- {text}" for text in failures), flush=True)


def measure_power(tests: list[str], trials: int) -> None:
    n, k = 500, 1
    print(f"\n## Power at level .05 (n = {n}, |Z| = {k})\n")
    print(f"| dependence | {' | '.join(tests)} |\n|---|{'---|' * len(tests)}")
    for case in POWER:
        found = tables(case, n, k, trials)
        texts = []
        for test in tests:
            own = found[: trials_for(test, trials) // case.together]
            p = p_values(test, own, k)
            texts.append("" if p is None else f"{np.mean(p <= 0.05):.2f}")
        print(f"| {case.name} | {' | '.join(texts)} |", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="40 trials, two sizes (2 minutes)")
    parser.add_argument("--trials", type=int, help="of the fast tests; gcm 1/4, kci 1/20")
    parser.add_argument("--tests", help="names, separated by commas")
    parser.add_argument("--cases", help="names, separated by commas")
    options = parser.parse_args()
    tests = names_of_tests(options.tests)
    cases = [c for c in NULLS if options.cases is None or c.name in options.cases.split(",")]
    began = time.perf_counter()
    trials = options.trials or (40 if options.quick else 1_000)
    for test in tests:
        calibrate(test, cases, SIZES[:2] if options.quick else SIZES, trials)
    if options.cases is None:
        measure_power(tests, trials)
    print(f"\n{time.perf_counter() - began:.0f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
