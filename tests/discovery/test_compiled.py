"""What the first call costs: every kernel compiled once, told once, and kept on disk."""

from __future__ import annotations

import os
import subprocess
import sys

_CODE = """
import numpy as np, pandas as pd
from whydrift.discovery import discover
from whydrift.discovery.search import _boss_kernel, _ges_kernel, _score_kernel
rng = np.random.default_rng(0)
frame = pd.DataFrame(rng.normal(size=(100, 21)), columns=[f"x{i}" for i in range(21)])
for method in ("boss", "ges"):
    for _ in range(2):
        told = []
        discover(frame, method, score="bic", progress=lambda stage, done, total: told.append(stage))
        print(method, sum("compiling" in stage for stage in told), told[0].startswith("compiling"))
kernels = (_boss_kernel, _ges_kernel, _score_kernel)
print(max(len(f.signatures) for k in kernels for f in vars(k).values() if hasattr(f, "py_func")))
"""


def test_a_first_search_compiles_every_function_once_and_says_so(
    tmp_path,
):
    def run() -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", _CODE], capture_output=True, text=True, check=True,
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
        )  # fmt: skip
        return done.stdout.split("\n")[:5]

    # One specialisation of each function: a second would double what it costs.
    assert run() == ["boss 1 True", "boss 0 False", "ges 1 True", "ges 0 False", "1"]
    assert run() == ["boss 0 False", "boss 0 False", "ges 0 False", "ges 0 False", "1"]


_OTHER_NUMBA = """
import sys
import numba
numba.__version__ = "0.60.0"
from whydrift.discovery._compiled import compiled, inner
half = inner(lambda x: x / 2)
twice = compiled(lambda x: 4 * half(x))
print(twice(1.5), "whydrift.discovery._compiler" in sys.modules)
"""


def test_a_numba_whose_internals_are_not_known_compiles_by_its_own_ways(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", _OTHER_NUMBA], capture_output=True, text=True, check=True,
        env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
    )  # fmt: skip
    assert done.stdout.split() == ["3.0", "False"]


_WARM = """
from whydrift.monitor.warmup import compile_kernels
from whydrift.discovery.search import _score_kernel
compile_kernels()
print(*(f.__name__ for f in _score_kernel._IMPROVE.values()), "_improve_block")
"""


def test_warming_up_leaves_no_score_to_be_compiled_by_a_first_check(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", _WARM], capture_output=True, text=True, check=True,
        env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
    )  # fmt: skip
    kept = {file.name.split(".")[1].split("-")[0] for file in tmp_path.rglob("*.nbi")}
    assert set(done.stdout.split()) <= kept
