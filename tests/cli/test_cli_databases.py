"""DATA may be the address of a database, with the query that selects a window."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from conftest import shell, window


@pytest.fixture
def shop(tmp_path: Path) -> str:
    """A SQLite file with a window of May and one of June, in which income moved."""
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as connection:
        window(600, 1).assign(month=5).to_sql("sales", connection, index=False)
        window(500, 3, shift=15).assign(month=6).to_sql(
            "sales", connection, index=False, if_exists="append"
        )
    connection.close()
    return f"sqlite:///{path}"


SELECT = "select region, income, rooms, price from sales where month = "


def test_two_queries_to_one_database_compare(shop, tmp_path):
    (tmp_path / "june.sql").write_text(f"-- this month\n{SELECT}6;\n")
    result = shell(
        "compare", "${SHOP}", "${SHOP}", "--query", f"{SELECT}5", "--current-query",
        f"@{tmp_path}/june.sql", "--target", "price", "--json", "-", SHOP=shop,
    )  # fmt: skip
    diagnosis = result.judged()
    assert result.status == 1 and diagnosis["ranking"][0] == "income"
    assert [diagnosis["windows"][w]["rows"] for w in ("reference", "current")] == [600, 500]


def test_a_graph_is_learned_from_a_query(shop):
    result = shell("discover", shop, "--query", f"{SELECT}5")
    assert result.status == 0 and "from 600 rows" in result.out


def test_a_wrong_query_is_one_message(shop, tmp_path):
    shell("discover", shop, "--query", "select nope from sales").refused("no such column: nope")
    shell("discover", shop, "--query", f"@{tmp_path}/none.sql").refused("no such file", "none.sql")
    shell("discover", shop).refused("--query")
    shell("discover", tmp_path / "june.csv", "--query", "select 1").refused("no database")
    shell("discover", "${NOWHERE_DB}", "--query", "select 1").refused("no variable 'NOWHERE_DB'")


def test_a_query_to_a_server_that_is_not_there_hides_the_password(tmp_path):
    address = "postgresql://reader:hunter2@127.0.0.1:1/prices"
    result = shell("discover", address, "--query", "select 1")
    result.refused("reader:***@", "refused")
    assert "hunter2" not in result.err
