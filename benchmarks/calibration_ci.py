"""How often each independence test rejects where X ⊥ Y | Z holds, and where it does not.

python benchmarks/calibration_ci.py [--quick] [--trials 200] [--tests fisher_z,gcm] [--cases waves]

Prints markdown: rejection rates at the levels .05 and .01 with 95 % Clopper-Pearson intervals (▲
where the one-sided 99 % lower limit lies above the level), the cases where a test fails, and the
power against some dependences. Seeds are fixed: a run repeats.
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
from scipy.stats import beta

from whydrift.discovery import Snapshot
from whydrift.discovery.errors import OptionError
from whydrift.discovery.independence import independence_test
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


def interval(rejected: int, of: int, level: float) -> tuple[float, float]:
    """Return the two-sided Clopper-Pearson interval with error ``level`` in all."""
    low = beta.ppf(level / 2, rejected, of - rejected + 1) if rejected else 0.0
    high = beta.ppf(1 - level / 2, rejected + 1, of - rejected) if rejected < of else 1.0
    return float(low), float(high)


def fails(rejected: int, of: int, level: float) -> bool:
    """Whether the one-sided 99 % lower limit of the rejection rate lies above the level."""
    return interval(rejected, of, 0.02)[0] > level


def cell(found: np.ndarray | None) -> tuple[str, bool]:
    """Return rates with intervals, and whether the test fails here."""
    if found is None:
        return "", False
    answered = found[np.isfinite(found)]
    if len(answered) < len(found) / 2:
        return "no answer", False
    parts, failed = [], False
    for level in LEVELS:
        rejected = int((answered <= level).sum())
        low, high = interval(rejected, len(answered), 0.05)
        bad = fails(rejected, len(answered), level)
        failed = failed or bad
        rate = rejected / len(answered)
        parts.append(f"{rate:.3f} ({low:.3f}–{high:.3f}){'▲' if bad else ''}")
    return " · ".join(parts), failed


def trials_for(test: str, trials: int) -> int:
    """Return how many worlds a test sees; the slow ones see fewer."""
    return max(TOGETHER, trials // {"gcm": 2, "kci": 10}.get(test, 1))


def names_of_tests(asked: str | None) -> list[str]:
    known = [row.name for row in test_rows()]
    if importlib.util.find_spec("causallearn") is None:
        print("causal-learn is not installed: kci is left out\n")
        known.remove("kci")
    return [name for name in known if asked is None or name in asked.split(",")]


def calibrate(tests: list[str], cases: list[Case], sizes: tuple[int, ...], trials: int) -> None:
    head = " | ".join(f"n = {n:,}" for n in sizes)
    print(f"| test | case | given | {head} |\n|---|---|---|{'---|' * len(sizes)}")
    failures: dict[str, list[str]] = {test: [] for test in tests}
    for case in cases:
        for k in GIVEN:
            if k < case.fewest_given:
                continue
            cells: dict[str, list[str]] = {test: [] for test in tests}
            for n in sizes:
                most = max(trials_for(test, trials) for test in tests)
                found = tables(case, n, k, most)
                for test in tests:
                    if test == "kci" and n > KCI_ROWS:
                        cells[test].append("")
                        continue
                    own = found[: max(1, trials_for(test, trials) // case.together)]
                    text, failed = cell(p_values(test, own, k))
                    cells[test].append(text)
                    if failed:
                        failures[test].append(f"{case.name} |Z|={k} n={n}: {text}")
            for test, texts in cells.items():
                if any(texts):
                    print(f"| {test} | {case.name} | {k} | {' | '.join(texts)} |", flush=True)
    print("\n## Where a test fails\n")
    for test, those in failures.items():
        print(f"- **{test}**: " + ("nowhere in these cases" if not those else ""))
        for text in those:
            print(f"  - {text}")


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
    parser.add_argument("--trials", type=int, help="of the fast tests; gcm 1/2, kci 1/10")
    parser.add_argument("--tests", help="names, separated by commas")
    parser.add_argument("--cases", help="names, separated by commas")
    options = parser.parse_args()
    tests = names_of_tests(options.tests)
    cases = [c for c in NULLS if options.cases is None or c.name in options.cases.split(",")]
    began = time.perf_counter()
    trials = options.trials or (40 if options.quick else 1_000)
    calibrate(tests, cases, SIZES[:2] if options.quick else SIZES, trials)
    measure_power(tests, trials)
    print(f"\n{time.perf_counter() - began:.0f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
