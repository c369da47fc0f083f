"""The real command line, and small tables to give it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest


@dataclass(frozen=True)
class Left:
    """How a command left."""

    status: int
    out: str
    err: str

    @property
    def diagnosis(self) -> dict[str, Any]:
        """The JSON on standard output, which holds nothing else."""
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value

    def refused(self, *says: str) -> None:
        """Assert status 2 with exactly one plain message that holds these words."""
        assert self.status == 2, (self.status, self.out, self.err)
        lines = self.err.splitlines()
        assert len(lines) == 1 and lines[0].startswith("error: "), self.err
        assert self.out == ""
        for words in says:
            assert words in lines[0], lines[0]

    def judged(self, *codes: str) -> dict[str, Any]:
        """Assert status 0 or 1 with a diagnosis that carries warnings of these codes."""
        assert self.status in {0, 1}, (self.status, self.err)
        assert self.err == ""
        diagnosis = self.diagnosis
        assert set(codes) <= {w["code"] for w in diagnosis["warnings"]}, diagnosis["warnings"]
        return diagnosis


def shell(*arguments: object, timeout: float = 60, **environment: str) -> Left:
    """Run ``python -m whydrift`` as a person would."""
    done = subprocess.run(
        [sys.executable, "-m", "whydrift", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, **environment},
        check=False,
    )
    return Left(done.returncode, done.stdout, done.stderr)


def window(rows: int, seed: int, shift: float = 0.0) -> pd.DataFrame:
    """Rows of region → income → price ← rooms; income's own mechanism moves by ``shift``."""
    rng = np.random.default_rng(seed)
    region = rng.choice(["north", "south", "west"], rows)
    income = rng.normal(50 + shift, 10, rows) + 8 * (region == "north")
    rooms = rng.poisson(3, rows) + 1
    price = 2 * income + 10 * rooms + rng.normal(0, 5, rows)
    return pd.DataFrame({"region": region, "income": income, "rooms": rooms, "price": price})


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with reference.csv, same.csv (nothing moved), moved.csv (income did), graph.json."""
    folder = tmp_path_factory.mktemp("tables")
    window(600, 1).to_csv(folder / "reference.csv", index=False)
    window(500, 2).to_csv(folder / "same.csv", index=False)
    window(500, 3, shift=15).to_csv(folder / "moved.csv", index=False)
    pairs = [["region", "income"], ["income", "price"], ["rooms", "price"]]
    (folder / "graph.json").write_text(json.dumps(pairs))
    return folder


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., Left]:
    """Run the command line in this process."""
    from whydrift.monitor.cli import main

    def run(*arguments: object) -> Left:
        capsys.readouterr()
        status = main([str(a) for a in arguments])
        told = capsys.readouterr()
        return Left(status, told.out, told.err)

    return run
