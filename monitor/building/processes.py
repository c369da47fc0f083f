"""Work done in several processes of this machine."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, TypeVar

from whydrift.discovery.errors import ClusterError, OptionError
from whydrift.monitor.building.cluster import (
    Cancel,
    Packed,
    Recipe,
    Told,
    called_off,
    where_of,
)
from whydrift.monitor.building.recipe import PackedShare
from whydrift.monitor.building.share import Share
from whydrift.monitor.building.tree import fold
from whydrift.monitor.source.reading import never

__all__ = ["Processes", "processes"]

T = TypeVar("T")
R = TypeVar("R")
W = TypeVar("W")

_MORE_THAN_JOBS = 2  # items handed out ahead, so that no process waits for the next
_SECONDS_BETWEEN_LOOKS = 0.2  # at whether the work was called off
_MOST_SECONDS_TO_TAKE = 2.0
# Each process computes in one thread: several would wait for each other.
_ENVIRONMENT = dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"), "1")


@contextmanager
def processes(jobs: int) -> Iterator[Processes]:
    """Give processes to work with; they are gone in the end.

    Parameters
    ----------
    jobs : int
        How many; each holds one share at a time, and at most ``jobs + 2`` results wait here.

    Raises
    ------
    OptionError
        If ``jobs`` is below 1.
    """
    if jobs < 1:
        raise OptionError(
            f"{jobs} is no number of processes", where="jobs", remedy="Give 1 or more"
        )
    started = Processes(jobs)
    try:
        yield started
    finally:
        started.stop()


class Processes:
    """Fresh processes, started when they are first needed; made by :func:`processes`."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._pool: Any = None

    def map(
        self, function: Callable[[T], R], items: Sequence[T], *, cancel: Cancel = never
    ) -> Iterator[R]:
        """Yield the function's result for each item, in the order of the items."""
        # Its processes do not import the user's script anew, as those of the standard library do:
        # a script without `if __name__ == "__main__"` works.
        from joblib.externals.loky import BrokenProcessPool, ProcessPoolExecutor

        if self._pool is None:
            self._pool = ProcessPoolExecutor(self._jobs, env=_ENVIRONMENT)
        submit = self._pool.submit
        rest = iter(items)
        handed = deque(
            (item, submit(function, item)) for item in islice(rest, self._jobs + _MORE_THAN_JOBS)
        )
        is_done = False
        try:
            while handed:
                item, future = handed[0]
                result = self._result(future, item, cancel)
                handed.popleft()
                handed.extend((more, submit(function, more)) for more in islice(rest, 1))
                yield result
            is_done = True
        except BrokenProcessPool as error:
            raise ClusterError(
                "a process ended while it worked on this, or on one of the next",
                where=where_of(item),
                remedy="Memory may have run out: use fewer processes",
            ) from error
        finally:
            if not is_done:  # what was handed out is no longer wanted
                _wait_until_taken([f for _, f in handed])
                self.stop()

    def stop(self) -> None:
        """End the processes, whatever they do."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True, kill_workers=True)

    def reduce(
        self, recipe: Recipe[W], shares: Sequence[Share], *, told: Told, cancel: Cancel = never
    ) -> W | None:
        """Read all shares and join them; they are joined here."""

        def arrived(packed: Packed) -> W | None:
            told(packed["rows"])
            return recipe.unpack(packed) if packed["rows"] else None

        windows = map(arrived, self.map(PackedShare(recipe), shares, cancel=cancel))
        return fold((w for w in windows if w is not None), recipe.join)

    def _result(self, future: Any, item: object, cancel: Cancel) -> Any:
        while True:
            called_off(cancel, where_of(item))
            try:
                return future.result(_SECONDS_BETWEEN_LOOKS)
            except TimeoutError:
                if future.done():  # the work itself raised it
                    return future.result()


def _wait_until_taken(futures: Sequence[Any]) -> None:
    """Wait, for milliseconds, until the pool has taken what it was handed.

    Told to stop before it has, a thread of loky (3.6) fails with a KeyError.
    """
    until = time.monotonic() + _MOST_SECONDS_TO_TAKE
    while time.monotonic() < until and any(not (f.running() or f.done()) for f in futures):
        time.sleep(0.005)
