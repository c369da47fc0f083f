"""Data of the five shipped configurations: seeded days of what each is for, the last drifted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from tests.postgres import Postgres
from whydrift.monitor.window.interval import Interval

__all__ = ["CASES", "Case", "Expected", "feature_table"]

FIRST = datetime(2026, 4, 1, tzinfo=UTC)  # a time without changes of clocks
DAYS = 15  # of reference; the drift is in the day after
SEED = 20_260_401

Columns = dict[str, np.ndarray]


@dataclass(frozen=True)
class Expected:
    """What the last window is to be told of.

    Parameters
    ----------
    column : str
        Where the drift was put, and what is to be named.
    verdict : str
        Of that column.
    window : str
        Verdict of the window.
    segment : str
        Where it is to be seen; empty for the whole.
    stage : str
        Of the result that tells.
    """

    column: str
    verdict: str
    window: str
    segment: str = ""
    stage: str = "features"


@dataclass(frozen=True)
class Case:
    """One configuration, what writes its data, and what is to come out.

    Parameters
    ----------
    file : str
        In ``config/``.
    write : callable
        Writes the data below a folder, and returns the variables that the configuration takes.
    start, end : datetime
        The window with the drift.
    expected : Expected
    """

    file: str
    write: Callable[[Path], dict[str, str]]
    expected: Expected
    start: datetime = FIRST + timedelta(days=DAYS)
    end: datetime = FIRST + timedelta(days=DAYS + 1)

    def has_rows(self, window: Interval | None) -> bool:
        """Whether there are rows of a window."""
        return window is not None and window.start in {
            self.start - timedelta(days=day) for day in range(DAYS + 1)
        }


def _times(rng: np.random.Generator, start: datetime, span: timedelta, rows: int) -> np.ndarray:
    seconds = np.sort(rng.uniform(0, span.total_seconds(), rows))
    return np.datetime64(start.replace(tzinfo=None), "us") + (seconds * 1e6).astype("m8[us]")


def _write_day(folder: Path, day: int, columns: Columns, local: str | None = None) -> None:
    name = folder / f"dt={local or f'{FIRST + timedelta(days=day):%Y-%m-%d}'}" / "rows.parquet"
    name.parent.mkdir(parents=True, exist_ok=True)
    pa.parquet.write_table(pa.table(columns), name)


# ---- batch scoring: the region's customers become younger: a source moves ------------------------
BERLIN_MIDNIGHT = timedelta(hours=-2)  # in April


def _batch(folder: Path) -> dict[str, str]:
    for day in range(DAYS + 1):
        rng = np.random.default_rng((SEED, day))
        rows = 900
        age = rng.normal(45 if day < DAYS else 38, 12, rows)
        tenure = 24 + 0.6 * age + rng.normal(0, 12, rows)
        fee = 20 + 0.2 * age + rng.normal(0, 5, rows)
        usage = 60 - 0.5 * fee + 0.3 * tenure + rng.normal(0, 8, rows)
        score = 1 / (1 + np.exp(0.02 * tenure + 0.03 * usage - 0.05 * fee - 1))
        _write_day(
            folder / "churn",
            day,
            {
                "scored_at": _times(
                    rng, FIRST + timedelta(days=day) + BERLIN_MIDNIGHT, timedelta(days=1), rows
                ),
                "customer_id": np.arange(rows) + day * rows,
                "region": rng.choice(["north", "south", "east"], rows, p=[0.5, 0.3, 0.2]),
                "age": age,
                "tenure_months": tenure,
                "monthly_fee": fee,
                "usage_hours": usage,
                "support_calls": rng.poisson(1.5 + 0.02 * fee, rows),
                "churn_score": score.round(6),
                "model_version": np.full(rows, "7"),
            },
        )
    return {"SCORES": str(folder)}


# ---- an online model: loans of the same people are paid back less often: only labels tell it -----
def _online(folder: Path) -> dict[str, str]:
    labels: list[pa.Table] = []
    for day in range(DAYS + 1):
        rng = np.random.default_rng((SEED, 1, day))
        rows = 900
        income = rng.lognormal(10.3, 0.4, rows)
        years = rng.gamma(3, 3, rows)
        debt = 0.3 * income * rng.lognormal(0, 0.5, rows)
        loan = 0.5 * income * rng.lognormal(0, 0.3, rows)

        def logit(slope: float, *, debt=debt, income=income, years=years, loan=loan) -> np.ndarray:
            return 2.0 + 0.08 * (years - 9) - slope * (debt / income - 0.34) - loan / income + 0.5

        paid = rng.random(rows) < 1 / (1 + np.exp(-logit(2.0) + (1.6 if day == DAYS else 0)))
        identity = np.array([f"{day}-{n}" for n in range(rows)])
        _write_day(
            folder / "requests",
            day,
            {
                "requested_at": _times(rng, FIRST + timedelta(days=day), timedelta(days=1), rows),
                "request_id": identity,
                "income": income,
                "employment_years": years,
                "debt": debt,
                "loan_amount": loan,
                "probability": 1 / (1 + np.exp(-logit(2.0))),
            },
        )
        labels.append(pa.table({"request_id": identity, "paid_back": paid}))
    (folder / "outcomes").mkdir()
    pa.parquet.write_table(pa.concat_tables(labels), folder / "outcomes" / "paid.parquet")
    return {"REQUESTS": str(folder / "requests"), "OUTCOMES": str(folder / "outcomes")}


# ---- a feature table: one job writes Fahrenheit --------------------------------------------------
def _feature_table(server: Postgres) -> dict[str, str]:
    """Fill a table of a database of its own, and return its address as a variable."""
    import psycopg

    database = server.new_database()
    address = f"host=127.0.0.1 port={server.port} user=postgres dbname={database}"
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(
            "create table store_features "
            "(computed_at timestamptz, store_id int, temperature float, "
            "footfall float, basket_value float, stock_level float)"
        )
        for day in range(DAYS + 1):
            rng = np.random.default_rng((SEED, 2, day))
            rows = 960
            at = _times(rng, FIRST + timedelta(days=day), timedelta(days=1), rows)
            temperature = rng.normal(14, 5, rows)
            footfall = 200 + 8 * temperature + rng.normal(0, 30, rows)
            basket = 20 + 0.05 * footfall + rng.normal(0, 3, rows)
            stock = 500 - 0.8 * footfall + rng.normal(0, 40, rows)
            recorded = temperature * 1.8 + 32 if day == DAYS else temperature
            with connection.cursor() as cursor, cursor.copy("copy store_features from stdin") as to:
                for row in zip(
                    at.astype(object), rng.integers(1, 41, rows).tolist(), recorded.tolist(),
                    footfall.tolist(), basket.tolist(), stock.tolist(), strict=True,
                ):  # fmt: skip
                    to.write_row((row[0].replace(tzinfo=UTC), *row[1:]))
        connection.execute("create index on store_features (computed_at)")
    return {"FEATURES_URL": server.url(database)}


# ---- many segments: in one country the same way takes longer -------------------------------------
COUNTRIES = ("de", "fr", "it", "es")


def _segments(folder: Path) -> dict[str, str]:
    for day in range(DAYS + 1):
        rng = np.random.default_rng((SEED, 3, day))
        rows = 2_000
        country = rng.choice(COUNTRIES, rows)
        distance = rng.gamma(3, 2, rows)
        items = rng.poisson(3, rows)
        traffic = 0.3 * distance + rng.normal(0, 1, rows)
        slow = 1.6 if day == DAYS else 0.0
        minutes = 10 + 3 * distance + 2 * traffic + items + rng.normal(0, 3, rows)
        minutes = minutes + np.where(country == "it", slow * distance, 0.0)
        _write_day(
            folder,
            day,
            {
                "delivered_at": _times(rng, FIRST + timedelta(days=day), timedelta(days=1), rows),
                "country": country,
                "distance_km": distance,
                "items": items,
                "traffic": traffic,
                "minutes": minutes,
                "promised_minutes": 10 + 3 * distance + 2 * traffic + items,
            },
        )
    return {"DELIVERIES": str(folder)}


# ---- service metrics: a release makes each database query cost more ------------------------------
HOUR = 9  # the hour that is looked at


def _service(folder: Path) -> dict[str, str]:
    for day in range(DAYS + 1):
        rng = np.random.default_rng((SEED, 4, day))
        start = FIRST + timedelta(days=day, hours=HOUR)
        pods, minutes = 8, 60
        rows = pods * minutes
        requests = rng.poisson(900, rows).astype(float)
        misses = 0.1 * requests + rng.normal(0, 8, rows)
        queries = 2 * misses + 0.4 * requests + rng.normal(0, 20, rows)
        cost = 0.014 if day == DAYS else 0.010
        cpu = 1 + 0.004 * requests + cost * queries + rng.normal(0, 0.3, rows)
        table = pa.table(
            {
                "at": np.datetime64(start.replace(tzinfo=None), "s")
                + np.repeat(np.arange(minutes) * 60, pods).astype("m8[s]"),
                "pod": np.tile([f"checkout-{n}" for n in range(pods)], minutes),
                "requests": requests,
                "cache_misses": misses,
                "db_queries": queries,
                "cpu_seconds": cpu,
                "latency_ms": 20 + 9 * cpu + rng.normal(0, 6, rows),
            }
        )
        name = folder / f"dt={start:%Y-%m-%d}" / f"{HOUR:02}.csv.gz"
        name.parent.mkdir(parents=True, exist_ok=True)
        with pa.CompressedOutputStream(str(name), "gzip") as stream:
            pa.csv.write_csv(table, stream)
    return {"METRICS": str(folder)}


CASES = (
    Case(
        "batch-scoring.yaml",
        _batch,
        Expected("age", "source", "covariate"),
        FIRST + timedelta(days=DAYS) + BERLIN_MIDNIGHT,
        FIRST + timedelta(days=DAYS + 1) + BERLIN_MIDNIGHT,
    ),
    Case(
        "online-model.yaml", _online,
        Expected("paid_back", "mechanism", "mechanism", stage="labels"),
    ),
    Case(
        "many-segments.yaml", _segments,
        Expected("minutes", "mechanism", "mechanism", segment="it", stage="labels"),
    ),
    Case(
        "service-metrics.yaml", _service,
        Expected("cpu_seconds", "mechanism", "covariate", stage="labels"),
        FIRST + timedelta(days=DAYS, hours=HOUR),
        FIRST + timedelta(days=DAYS, hours=HOUR + 1),
    ),
)  # fmt: skip


def feature_table(server: Postgres) -> Case:
    """Return the case whose data lie in a database."""
    return Case(
        "feature-table.yaml",
        lambda _: _feature_table(server),
        Expected("temperature", "fault", "none"),
    )
