"""What the first call of each search costs on a machine: process seconds with an empty cache.

python benchmarks/first_call.py

Each row is a process of its own with a cache of compiled code that is empty: importing numba and
compiling are in *first*; *second* is the same search again.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

CASES = (
    ("numbers", "boss", "bic"),
    ("numbers", "grasp", "bic"),
    ("numbers", "ges", "bic"),
    ("numbers", "boss", "spline_ebic"),
    ("numbers", "ges", "spline_ebic"),
    ("categories", "boss", "bdeu"),
    ("categories", "ges", "bdeu"),
    ("three windows", "boss", "spline_ebic"),
    ("numbers", "pc", ""),
    ("numbers", "fci", ""),
)

CHILD = """
import sys, time, warnings
import numpy as np, pandas as pd
import whydrift as wd
warnings.simplefilter("ignore")
kind, method, score = sys.argv[1:]
rng = np.random.default_rng(0)
values = rng.normal(size=(1000, 25))
for j in range(1, 25):
    values[:, j] += 0.6 * values[:, j - 1]
if kind == "categories":
    values = np.digitize(values, [-0.6, 0.6]).astype(str)
window = wd.Snapshot.from_frame(pd.DataFrame(values, columns=[f"x{j}" for j in range(25)]))
data = [window] * 3 if kind == "three windows" else window
options = {"score": score} if score else {}
for _ in range(2):
    began = time.process_time()
    wd.discover(data, method, **options)
    print(time.process_time() - began)
"""


def main() -> int:
    print(f"load {os.getloadavg()[0]:.1f}\n\n| data | method | score | first | second |")
    print("|---|---|---|---|---|")
    for case in CASES:
        with tempfile.TemporaryDirectory() as cache:
            environment = {**os.environ, "NUMBA_CACHE_DIR": cache, "OMP_NUM_THREADS": "1"}
            done = subprocess.run(
                [sys.executable, "-c", CHILD, *case],
                capture_output=True, text=True, check=True, env=environment,
            )  # fmt: skip
        first, second = map(float, done.stdout.split())
        print(f"| {' | '.join(case)} | {first:.1f} | {second:.2f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
