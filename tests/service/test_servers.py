"""Tests that need a server skip where it is absent, and fail where it was promised."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.servers import PACKAGES, REQUIRE, program

ROOT = Path(__file__).parents[2]


def test_an_absent_program_skips_and_says_what_to_install(monkeypatch):
    monkeypatch.delenv(REQUIRE, raising=False)
    monkeypatch.setitem(PACKAGES, "no-such-server", "no-such-package")
    with pytest.raises(pytest.skip.Exception, match="apt-get install no-such-package"):
        program("no-such-server")


def test_where_servers_are_required_that_is_a_failure(monkeypatch):
    monkeypatch.setenv(REQUIRE, "1")
    with pytest.raises(pytest.fail.Exception, match="no-such-server is not installed"):
        program("no-such-server")


def test_ci_installs_every_program_that_a_test_asks_for():
    wanted = dict(re.findall(r"^want (\S+) (\S+)$", (ROOT / ".ci" / "run").read_text(), re.M))
    asked = {
        name
        for path in (ROOT / "tests").rglob("*.py")
        if path.name != "test_servers.py"
        for name in re.findall(r'program\("([\w-]+)"\)', path.read_text())
    }
    assert asked and asked <= set(wanted), asked - set(wanted)
    assert {name: wanted[name] for name in PACKAGES if name in wanted} == {
        name: package for name, package in PACKAGES.items() if name in wanted
    }
    assert f"export {REQUIRE}=1" in (ROOT / ".ci" / "run").read_text()
