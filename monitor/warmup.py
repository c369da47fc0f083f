"""Compiles the kernels that checks may need, by using each once."""

from __future__ import annotations

import time
import warnings
from typing import Final

__all__ = ["compile_kernels"]

_ROWS: Final = 400
_COLUMNS: Final = 14
# Those that are ours, with what each compiles: scores of numbers and of categories, tests, orders.
_METHODS: Final = ("boss", "ges", "grasp", "pc")


def compile_kernels() -> float:
    """Search small tables in all ways, and compare two; return the seconds that it took."""
    import numpy as np
    import pyarrow as pa

    from whydrift.discovery.discover import discover
    from whydrift.discovery.snapshot.snapshot import Snapshot
    from whydrift.monitor.api import compare
    from whydrift.monitor.threads import one_blas_thread

    began = time.perf_counter()
    draws = np.random.default_rng(0)

    def table(shift: float) -> pa.Table:
        columns = [draws.normal(shift, 1, _ROWS)]
        for _ in range(1, _COLUMNS):  # fewer are searched in full, without a kernel
            columns.append(0.5 * columns[-1] + draws.normal(0, 1, _ROWS))
        named: dict[str, object] = {f"x{i}": column for i, column in enumerate(columns)}
        return pa.table({**named, "word": np.where(columns[0] > 0, "yes", "no")})

    numbers = Snapshot.from_frame(table(0).drop_columns(["word"]))
    mixed = Snapshot.from_frame(table(0))
    words = pa.table(
        {f"w{i}": draws.choice(["a", "b", "c"], _ROWS).tolist() for i in range(_COLUMNS)}
    )
    with warnings.catch_warnings(), one_blas_thread():
        warnings.simplefilter("ignore")  # of rows that are too few to be judged by
        for method in _METHODS:
            for snapshot in (numbers, mixed):
                discover(snapshot, method=method)
        # A daemon learns on past windows, and of categories alone their rows are counted.
        later = Snapshot.from_frame(table(1), schema=mixed.schema)
        discover([mixed, later], method="boss")
        discover(Snapshot.from_frame(words), method="boss")
        compare(table(0), table(1), target="x1")
    return time.perf_counter() - began
