"""Starting costs next to nothing: what is heavy is loaded when it is used."""

from __future__ import annotations

import subprocess
import sys

HEAVY = (
    "numpy", "scipy", "pyarrow", "pandas", "numba", "rich", "jinja2", "pydantic", "sqlalchemy",
    "alembic",
)  # fmt: skip


def python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


def test_import_loads_nothing_heavy():
    heavy = (*HEAVY, "typer")
    loaded = python(f"import sys, whydrift; print([m for m in {heavy!r} if m in sys.modules])")
    assert loaded == "[]"


def test_help_loads_nothing_heavy():
    loaded = python(
        "import sys; from whydrift.monitor.cli import main; status = main(['--help']);"
        f"print([m for m in {HEAVY!r} if m in sys.modules], status)"
    )
    assert loaded.splitlines()[-1] == "[] 0"


def test_import_and_help_take_a_fraction_of_importing_numpy_and_pandas():
    # In one run, each the best of three processes, and of the processor alone, so that a busy
    # machine cannot decide it.
    clock = "import time; t = time.process_time(); {}; print(time.process_time() - t)"
    lines = {
        "heavy": "import numpy, pandas",
        "import": "import whydrift",
        "help": "import os, sys; from whydrift.monitor.cli import main; o = sys.stdout;"
        " sys.stdout = open(os.devnull, 'w'); main(['--help']); sys.stdout.close(); sys.stdout = o",
    }
    seconds = {
        name: min(float(python(clock.format(code))) for _ in range(3))
        for name, code in lines.items()
    }
    assert seconds["import"] < 0.2 * seconds["heavy"], seconds
    assert seconds["help"] < 0.8 * seconds["heavy"], seconds
