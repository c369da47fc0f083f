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
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.servers import absent, free_port

_FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)  # Debian's place
_ACCOUNT = "postgres"  # the server refuses to run as root
_SECONDS = 120


@dataclass
class _Server:
    """The process of the server, on a folder that has been made for it."""

    command: list[str]
    asked: list[str]
    folder: Path
    account: dict[str, Any]
    running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self.running = subprocess.Popen(
                self.command, stdout=log, stderr=log, cwd=self.folder, **self.account
            )
        deadline = time.monotonic() + _SECONDS
        while subprocess.run(self.asked, check=False).returncode:
            assert self.running.poll() is None and time.monotonic() < deadline, (
                self.folder / "log"
            ).read_text()
            time.sleep(0.05)

    def stop(self, how: signal.Signals) -> None:
        """Stop it, where it runs."""
        if self.running is not None:
            self.running.send_signal(how)
            self.running.wait(_SECONDS)
            self.running = None


@dataclass(frozen=True)
class Postgres:
    """A running server whose superuser is ``postgres``, with any password."""

    port: int
    _server: _Server
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def stop(self) -> None:
        """Stop the server: what is not committed is undone, all connections are closed."""
        self._server.stop(signal.SIGINT)

    def start(self) -> None:
        """Start the server after it was stopped, with all that was committed."""
        self._server.start()

    def restart(self) -> None:
        """Stop the server and start it again."""
        self.stop()
        self.start()

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
    """Start a server for the session."""
    with running_postgres() as server:
        yield server


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Run a server within; it keeps nothing on disk safe, and is removed afterwards."""
    initdb, program, ready = (_program(n) for n in ("initdb", "postgres", "pg_isready"))
    if initdb is None or program is None or ready is None:
        absent("PostgreSQL is not installed (on Debian: apt-get install postgresql)")
    account = _account()
    # Not under pytest's own folder: of a root's the account could not read the way to it.
    folder = Path(tempfile.mkdtemp(prefix="whydrift-postgres-"))
    server: _Server | None = None
    try:
        shutil.chown(folder, account.get("user", getpass.getuser()))
        subprocess.run(
            [initdb, "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8",
             "--no-sync", "--no-instructions", "--locale=C"],
            check=True, capture_output=True, cwd=folder, **account,
        )  # fmt: skip
        port = free_port()
        server = _Server(
            [program, "-D", str(folder / "data"), "-p", str(port), "-k", str(folder),
             "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off",
             "-c", "full_page_writes=off", "-c", "shared_buffers=32MB"],
            [ready, "-q", "-h", "127.0.0.1", "-p", str(port)],
            folder,
            account,
        )  # fmt: skip
        server.start()
        yield Postgres(port, server)
    finally:
        if server is not None:
            server.stop(signal.SIGQUIT)  # "immediate": nothing is to be kept
        shutil.rmtree(folder, ignore_errors=True)
