"""``whydrift warmup``: compile what has to be compiled before it is needed."""

from __future__ import annotations

from whydrift.monitor.cli.exits import Status
from whydrift.monitor.cli.options import Debug, Quiet

__all__ = ["warmup"]


def warmup(quiet: Quiet = False, debug: Debug = False) -> int:
    """Compile the searches into the cache, so that the first check need not: for images.

    The cache is beside the package, or where NUMBA_CACHE_DIR says. Doing it twice takes seconds.

    Try:
      NUMBA_CACHE_DIR=/var/cache/whydrift whydrift warmup
    """
    from whydrift.monitor.cli.terminal import console
    from whydrift.monitor.warmup import compile_kernels

    seconds = compile_kernels()
    if not quiet:
        console().print(f"the searches are compiled ({seconds:.1f} s)")
    return Status.NOTHING
