"""Windows in databases: SQLite and PostgreSQL through SQLAlchemy, DuckDB too through ibis."""

from __future__ import annotations

import sqlite3
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pyarrow as pa
import pytest

from whydrift import compare, read_snapshot
from whydrift.discovery.errors import SourceError
from whydrift.monitor.source import sql as sql_module
from whydrift.monitor.source.base import Rows, Source
from whydrift.monitor.source.opening import as_source
from whydrift.monitor.source.reading import stream
from whydrift.monitor.source.registry import open_source
from whydrift.monitor.source.retry import Retry
from whydrift.monitor.source.sql import Sql
from whydrift.monitor.source.trouble import Interrupted
from whydrift.monitor.source.warehouse import Warehouse

# ibis 12.0 calls what DuckDB 1.5 calls otherwise by now.
pytestmark = pytest.mark.filterwarnings(r"ignore:fetch_\w+\(\) is deprecated:DeprecationWarning")

DAY = datetime(2026, 5, 4, tzinfo=UTC)
NEXT = DAY + timedelta(days=1)
PARIS_DAY = datetime.fromisoformat("2026-05-04T02:00:00+02:00")  # the same instant as DAY
BOUND = "select id, price from sales where ts >= :start and ts < :end order by id"


def rows_of(source: Source, rows: Rows | None = None) -> pa.Table:
    once = Retry(attempts=2, sleep=lambda _: None)
    return pa.concat_tables(
        stream(source, rows or Rows(), retry=once), promote_options="permissive"
    )


@pytest.fixture
def lite(tmp_path: Path) -> str:
    """A SQLite file: four days of rows, six hours apart, written as text."""
    path = tmp_path / "shop's.db"
    with sqlite3.connect(path) as connection:
        connection.execute('create table sales (id integer, ts text, price real, "a b" text)')
        connection.executemany(
            "insert into sales values (?, ?, ?, ?)",
            [(i, str((DAY + timedelta(hours=6 * (i - 4))).replace(tzinfo=None)), i * 1.5, None)
             for i in range(16)],
        )  # fmt: skip
    connection.close()
    return f"sqlite:///{path}"


@pytest.fixture(scope="module")
def server(postgres):
    """A PostgreSQL database with the same rows, by times with a zone and without."""
    import psycopg

    name = postgres.new_database()
    with psycopg.connect(host="127.0.0.1", port=postgres.port, user="postgres", dbname=name) as c:
        c.execute(
            "create table sales (id int, ts timestamptz, plain timestamp, day date, "
            'price numeric(10, 2), ok boolean, note text, tag uuid, "a b" int, late float8)'
        )
        c.execute("create sequence numbers")
        c.execute(
            "insert into sales select i, '2026-05-04Z'::timestamptz + (i - 4) * interval '6 hours',"
            " '2026-05-04'::timestamp + (i - 4) * interval '6 hours', '2026-05-03'::date + i / 4, "
            "i * 1.5, i > 7, 'x', '00000000-0000-0000-0000-000000000001', i, null "
            "from generate_series(0, 15) as i"
        )
    return postgres.url(name)


# ---- SQL ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("day", [DAY, PARIS_DAY])
@pytest.mark.parametrize("kind", ["lite", "server"])
def test_a_window_is_bound_and_half_open(request, kind, day):
    source = open_source(Sql(request.getfixturevalue(kind), BOUND))
    table = rows_of(source, Rows(start=day, end=NEXT))
    assert table.to_pydict() == {"id": [4, 5, 6, 7], "price": [6.0, 7.5, 9.0, 10.5]}


@pytest.mark.parametrize("column", ["ts", "plain", "day"])
def test_a_query_without_bounds_is_cut_by_its_time_column_on_the_server(server, column):
    """A time without a zone counts as UTC, whatever the server's own zone is."""
    import psycopg

    with psycopg.connect(server.replace("+psycopg", ""), autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f"alter database {name} set timezone to 'Asia/Tokyo'")
    source = open_source(Sql(server, "select * from sales", column))
    table = rows_of(source, Rows(("id",), column, DAY, NEXT))
    assert sorted(table["id"].to_pylist()) == [4, 5, 6, 7] and table.column_names == ["id"]
    statement = str(source.parts(Rows(("id",), column, DAY, NEXT))[0]._statement())
    assert ":start" in statement and ":end" in statement


def test_a_query_on_sqlite_is_cut_by_its_time_column(lite):
    source = open_source(Sql(lite, "select * from sales;", "ts"))
    assert rows_of(source, Rows(("id",), "ts", DAY, NEXT))["id"].to_pylist() == [4, 5, 6, 7]


def test_columns_with_odd_names_are_selected_on_the_server(server):
    table = rows_of(open_source(Sql(server, "select * from sales")), Rows(("a b", "id")))
    assert table.column_names == ["a b", "id"] and table.num_rows == 16


def test_types_are_those_that_the_database_states_even_of_a_column_without_values(server):
    schema = open_source(Sql(server, "select * from sales")).schema()
    assert {f.name: str(f.type) for f in schema} == {
        "id": "int64", "ts": "timestamp[us, tz=UTC]", "plain": "timestamp[us]",
        "day": "date32[day]", "price": "double", "ok": "bool", "note": "string", "tag": "string",
        "a b": "int64", "late": "double",
    }  # fmt: skip
    assert rows_of(open_source(Sql(server, "select * from sales"))).schema.equals(schema)


def test_a_column_whose_first_rows_have_no_value_gets_its_type_from_a_later_one(lite, monkeypatch):
    monkeypatch.setattr(sql_module, "BATCH_ROWS", 4)
    query = "select id, case when id > 9 then price end as late from sales order by id"
    part = open_source(Sql(lite, query)).parts(Rows())[0]
    assert {str(batch.schema.field("late").type) for batch in part.batches()} == {"double"}


def test_rows_come_in_batches_and_are_not_held(server):
    source = open_source(Sql(server, "select i, i / 3.0 as x from generate_series(1, 200000) as i"))
    sizes = [batch.num_rows for batch in source.parts(Rows())[0].batches()]
    assert max(sizes) == 65_536 and sum(sizes) == 200_000


@pytest.mark.parametrize("kind", ["lite", "server"])
def test_a_source_cannot_write(request, kind):
    url = request.getfixturevalue(kind)
    query = "insert into sales (id) values (99) returning id"
    with pytest.raises(SourceError, match=r"read-?only|syntax error"):
        rows_of(open_source(Sql(url, query)))
    assert rows_of(open_source(Sql(url, "select * from sales"))).num_rows == 16


def test_a_function_cannot_write_either(server):
    with pytest.raises(SourceError, match="read-only transaction"):
        rows_of(open_source(Sql(server, "select nextval('numbers')")))


def test_a_query_that_takes_too_long_is_stopped(server, lite):
    slow = (
        (server, "select pg_sleep(10)"),
        (lite, "with recursive n(i) as (select 1 union all select i + 1 from n) "
               "select count(*) from n"),
    )  # fmt: skip
    for url, query in slow:
        with pytest.raises(SourceError, match=r"took longer than 0\.2 s"):
            rows_of(open_source(Sql(url, query, timeout_seconds=0.2)))


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("select nope from sales", "nope"),
        ("selec 1", "syntax"),
        ("select * from sales where id > :least", "the query has :least"),
        (BOUND, "no window is given"),
    ],
)
def test_a_wrong_query_is_told_at_once(lite, query, says):
    with pytest.raises(SourceError, match=says) as caught:
        rows_of(open_source(Sql(lite, query)))
    assert not isinstance(caught.value, Interrupted)


def test_a_window_without_a_way_to_choose_it_is_refused(lite):
    with pytest.raises(SourceError, match="neither :start nor :end"):
        rows_of(open_source(Sql(lite, "select * from sales")), Rows(start=DAY, end=NEXT))


def test_a_window_that_the_query_bounds_at_one_end_only_is_refused(lite):
    """Else rows after the window would count as its own."""
    query = "select * from sales where ts >= :start"
    with pytest.raises(SourceError, match="has no :end"):
        rows_of(open_source(Sql(lite, query)), Rows(start=DAY, end=NEXT))
    assert len(rows_of(open_source(Sql(lite, query)), Rows(None, "ts", DAY, NEXT))) == 4


@pytest.mark.parametrize("kind", ["lite", "server"])
@pytest.mark.parametrize(
    "query",
    [
        "select * from sales -- where ts >= :start and ts < :end",
        "select * from sales; -- all of it;\n",
        "select * from sales /* :start; */ ;\n;",
        "with own as (select * from sales) select * from own",
        """select *, '{"a":1} 50%; -- :end' as "x:y" from sales""",
    ],
)
def test_texts_and_comments_of_a_query_bind_nothing_and_hide_nothing(request, kind, query):
    source = open_source(Sql(request.getfixturevalue(kind), query))
    with pytest.raises(SourceError, match="neither :start nor :end"):
        source.parts(Rows(start=DAY, end=NEXT))
    assert set(source.schema().names) >= {"id", "ts", "price"}
    table = rows_of(source, Rows(("id",), "ts", DAY, NEXT))
    assert table.to_pydict() == {"id": [4, 5, 6, 7]}
    if "x:y" in query:
        assert rows_of(source)["x:y"][0].as_py() == '{"a":1} 50%; -- :end'


def test_casts_of_postgres_stand_beside_bounds(server):
    query = "select id::text as id from sales where ts >= :start::timestamptz and ts < :end"
    assert (
        rows_of(open_source(Sql(server, query)), Rows(start=DAY, end=NEXT))["id"][0].as_py() == "4"
    )


def test_values_that_arrow_has_no_type_for_are_text(server):
    query = """select '10.0.0.1'::inet as at, '{"a": 1}'::jsonb as j, array[1, 2] as l, tag
               from sales"""
    table = rows_of(open_source(Sql(server, query)))
    first = {"at": "10.0.0.1", "j": '{"a": 1}', "l": "[1, 2]", "tag": str(UUID(int=1))}
    assert table.slice(0, 1).to_pylist() == [first]


def test_a_uuid_in_a_warehouse_is_text(server):
    source = open_source(Warehouse(server.replace("+psycopg", ""), table="sales"))
    assert set(rows_of(source)["tag"].to_pylist()) == {str(UUID(int=1))}


@pytest.mark.parametrize("kind", ["duck", "server"])
def test_a_query_of_a_warehouse_may_end_in_a_comment(request, kind):
    url = request.getfixturevalue(kind).replace("+psycopg", "")
    for end in ("; -- all of it", " -- all of it", ";\n;"):
        source = open_source(Warehouse(url, query=f"select * from sales{end}", time_column="ts"))
        assert len(rows_of(source, Rows(None, "ts", DAY, NEXT))) == 4


def test_two_columns_of_one_name_are_told(lite):
    query = "select a.id, b.id from sales a join sales b on a.id = b.id"
    with pytest.raises(SourceError, match="two columns named 'id'"):
        rows_of(open_source(Sql(lite, query)))


def test_a_missing_database_file_is_not_made(tmp_path, lite):
    with pytest.raises(SourceError, match=r"no such file.*Did you mean"):
        rows_of(open_source(Sql(f"sqlite:///{tmp_path}/shops.db", "select 1")))
    assert not (tmp_path / "shops.db").exists()


def test_a_server_that_is_not_there_is_tried_again_and_its_password_is_not_shown():
    url = "postgresql://reader:hunter2@127.0.0.1:1/db"
    source, waits = open_source(Sql(url, "select 1 as a")), []
    with pytest.raises(Interrupted) as caught:
        list(stream(source, Rows(), retry=Retry(attempts=3, sleep=waits.append)))
    assert len(waits) == 2
    assert "hunter2" not in str(caught.value) and "reader:***@" in str(caught.value)


def test_an_account_that_is_not_known_is_refused_at_once(server):
    with pytest.raises(SourceError, match="does not exist") as caught:
        rows_of(open_source(Sql(server.replace("postgres:", "nobody:"), "select 1 as a")))
    assert not isinstance(caught.value, Interrupted)


def test_addresses_and_queries_take_variables_of_the_environment(lite, monkeypatch):
    monkeypatch.setenv("SHOP_DB", lite)
    monkeypatch.setenv("TABLE", "sales")
    assert rows_of(open_source(Sql("${SHOP_DB}", "select id from ${TABLE}"))).num_rows == 16


def test_what_a_variable_holds_is_no_variable_again(lite, monkeypatch):
    monkeypatch.setenv("SHOP", f"{lite}?note=${{SECRET}}")
    source = as_source("${SHOP}", query="select '$${SECRET}' as x")
    assert source.where.endswith("?note=${SECRET}")
    assert rows_of(source)["x"].to_pylist() == ["${SECRET}"]


def test_a_query_beside_a_file_is_refused(tmp_path):
    with pytest.raises(SourceError, match="this is no database"):
        as_source(str(tmp_path / "a.csv"), query="select 1")


def test_two_windows_of_a_database_compare(lite, server):
    for url in (lite, server):
        windows = [Sql(url, f"select id % 4 as hour, price from sales where id {rule}")
                   for rule in ("< 12", ">= 4")]  # fmt: skip
        assert compare(*windows).to_dict()["windows"]["current"]["rows"] == 12


# ---- warehouses --------------------------------------------------------------------------------
@pytest.fixture
def duck(tmp_path: Path) -> str:
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    path = tmp_path / "lake.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "create table sales as select i as id, "
            "timestamptz '2026-05-04 00:00:00+00' + to_hours(6 * (i - 4)) as ts, "
            "timestamp '2026-05-04' + to_hours(6 * (i - 4)) as plain, "
            "date '2026-05-03' + (i // 4)::int as day, "
            '(i * 1.5)::decimal(10, 2) as price, i as "a b" from range(16) as t(i)'
        )
        connection.execute("create schema raw; create table raw.log as select 1 as a")
    return f"duckdb://{path}"


@pytest.mark.parametrize("column", ["ts", "plain", "day"])
@pytest.mark.parametrize("kind", ["duck", "server"])
def test_a_window_of_a_table_is_selected_in_the_warehouse(request, kind, column):
    source = open_source(Warehouse(request.getfixturevalue(kind), "sales", time_column=column))
    rows = Rows(("a b", "price"), column, PARIS_DAY, NEXT)
    table = rows_of(source, rows)
    assert sorted(table["a b"].to_pylist()) == [4, 5, 6, 7]
    assert table.column_names == ["a b", "price"]


def test_only_the_window_and_the_columns_are_asked_for(duck, monkeypatch):
    import ibis

    asked: list[str] = []
    source = open_source(Warehouse(duck, "sales"))
    part = source.parts(Rows(("price",), "day", DAY, NEXT))[0]
    connection = ibis.connect(f"{duck}?read_only=True")
    asked.append(str(ibis.to_sql(part._selected(connection.table("sales")))))
    connection.disconnect()
    assert "SELECT" in asked[0] and '"id"' not in asked[0]
    assert "MAKE_DATE(2026, 5, 4)" in asked[0] and "MAKE_DATE(2026, 5, 5)" in asked[0]


@pytest.mark.parametrize(("start", "days"), [(DAY, [4, 5]), (DAY + timedelta(hours=1), [5])])
def test_a_day_is_in_the_window_that_holds_its_first_instant(duck, start, days):
    source = open_source(Warehouse(duck, "sales"))
    rows = Rows(("day",), "day", start, NEXT + timedelta(hours=5))
    assert set(rows_of(source, rows)["day"].to_pylist()) == {
        datetime(2026, 5, day, tzinfo=UTC) for day in days
    }


def test_a_query_and_a_table_of_another_schema_are_read(duck):
    query = Warehouse(duck, query="select id, price from sales where id > 11;")
    assert rows_of(open_source(query)).num_rows == 4
    assert rows_of(open_source(Warehouse(duck, "raw.log"))).to_pydict() == {"a": [1]}
    assert open_source(query).schema().names == ["id", "price"]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"table": "saless"}, "no such table"),
        ({"query": "selec 1"}, "refused it"),
        ({}, "there is no table"),
        ({"table": "sales", "query": "select 1"}, "both given"),
    ],
)
def test_what_a_warehouse_does_not_have_is_told(duck, settings, says):
    with pytest.raises(SourceError, match=says):
        rows_of(open_source(Warehouse(duck, **settings)))


def test_a_snapshot_of_a_window_in_a_warehouse(duck):
    snapshot = read_snapshot(Warehouse(duck, "sales", time_column="ts"), start=DAY, end=NEXT)
    assert snapshot.rows == 4 and snapshot.start == DAY.timestamp()
    assert date.fromtimestamp(snapshot.start).year == 2026
