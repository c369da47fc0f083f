"""A throw-away PostgreSQL server on the loopback, for tests that need a real one.

``tests/conftest.py`` offers it to every test as the fixture ``postgres``; where PostgreSQL is not
installed, the tests that ask for it are skipped and say so.
"""

from __future__ import annotations

import getpass
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.servers import absent, free_port

_FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)  # Debian's place
_ACCOUNT = "postgres"  # the server refuses to run as root
_SECONDS = 30


@dataclass(frozen=True)
class Postgres:
    """A running server whose superuser is ``postgres``, with any password."""

    port: int
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def url(self, database: str = "postgres", driver: str = "postgresql+psycopg") -> str:
        """Return the address of a database of the server, for SQLAlchemy."""
        return f"{driver}://postgres:secret@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """Make an empty database and return its name."""
        return self._made("database")

    def new_schema(self, driver: str = "postgresql+psycopg") -> str:
        """Make an empty schema and return the address at which it is all there is.

        As good as a database where only our own tables matter, and made without copying one.
        """
        name = self._made("schema")
        return f"{self.url(driver=driver)}?options=-csearch_path%3D{name}"

    def _made(self, what: str) -> str:
        import psycopg

        name = f"test_{next(self._numbers)}"
        address = f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres"
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(f"create {what} {name}".encode())
        return name


def _program(name: str) -> str | None:
    found = shutil.which(name)
    return found or next((str(f / name) for f in _FOLDERS if (f / name).exists()), None)


def _account() -> dict[str, Any]:
    """Return what makes a subprocess run unprivileged."""
    if os.geteuid() != 0:
        return {}
    import grp
    import pwd

    try:
        group = grp.getgrgid(pwd.getpwnam(_ACCOUNT).pw_gid).gr_name
    except KeyError:
        absent(f"PostgreSQL does not run as root, and there is no account {_ACCOUNT!r}")
    return {"user": _ACCOUNT, "group": group, "extra_groups": []}


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Start a server for the session; it keeps nothing on disk safe, and is removed afterwards."""
    initdb, server, ready = (_program(n) for n in ("initdb", "postgres", "pg_isready"))
    if initdb is None or server is None or ready is None:
        absent("PostgreSQL is not installed (on Debian: apt-get install postgresql)")
    account = _account()
    # Not under pytest's own folder: of a root's the account could not read the way to it.
    folder = Path(tempfile.mkdtemp(prefix="whydrift-postgres-"))
    running: subprocess.Popen[bytes] | None = None
    try:
        shutil.chown(folder, account.get("user", getpass.getuser()))
        subprocess.run(
            [initdb, "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8",
             "--no-sync", "--no-instructions", "--locale=C"],
            check=True, capture_output=True, cwd=folder, **account,
        )  # fmt: skip
        port = free_port()
        with (folder / "log").open("wb") as log:
            running = subprocess.Popen(
                [server, "-D", str(folder / "data"), "-p", str(port), "-k", str(folder),
                 "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off",
                 "-c", "full_page_writes=off", "-c", "shared_buffers=32MB"],
                stdout=log, stderr=log, cwd=folder, **account,
            )  # fmt: skip
        deadline = time.monotonic() + _SECONDS
        asked = [ready, "-q", "-h", "127.0.0.1", "-p", str(port)]
        while subprocess.run(asked, check=False).returncode:
            assert running.poll() is None and time.monotonic() < deadline, (
                folder / "log"
            ).read_text()
            time.sleep(0.05)
        yield Postgres(port)
    finally:
        if running is not None:
            running.send_signal(signal.SIGQUIT)  # "immediate": nothing is to be kept
            running.wait(_SECONDS)
        shutil.rmtree(folder, ignore_errors=True)
