"""Tries again, ever more slowly, what may work a little later."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from whydrift.monitor.source.base import Part, Tell, untold
from whydrift.monitor.source.trouble import Interrupted

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Retry", "StartAgain"]

T = TypeVar("T")


class StartAgain(Interrupted):
    """A part broke off that does not come in the same order twice: what was read of it is void."""


@dataclass(frozen=True)
class Retry:
    """How often, and after what wait.

    Parameters
    ----------
    attempts : int
        Most tries in a row that give nothing new.
    seconds : float
        Wait after the first failure; it doubles from failure to failure.
    most_seconds : float
        Longest wait.
    sleep : callable
        Waits so many seconds.
    spread : callable
        Returns a number in [0, 1): each wait is cut by up to half at random, so that many readers
        of one broken store do not come back at the same moment.
    """

    attempts: int = 4
    seconds: float = 0.5
    most_seconds: float = 30.0
    sleep: Callable[[float], None] = time.sleep
    spread: Callable[[], float] = random.random

    def call(self, work: Callable[[], T], *, of: type[Interrupted] = Interrupted) -> T:
        """Return what ``work`` returns, tried again after each error of the kind ``of``.

        Raises
        ------
        Interrupted
            If the last try failed too.
        """
        for failures in range(1, self.attempts):
            try:
                return work()
            except of:
                self._wait(failures)
        return work()

    def batches(self, part: Part, tell: Tell = untold) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a part, each once; after a failure it is read again from its start.

        Raises
        ------
        StartAgain
            If it failed after its first rows, and does not give them in the same order again.
        Interrupted
            If it keeps failing.
        """
        given = failures = 0
        while True:
            skip, before = given, given
            try:
                for batch in part.batches(tell if not given else untold):
                    if skip >= batch.num_rows:
                        skip -= batch.num_rows
                        continue
                    fresh = batch.slice(skip)
                    skip = 0
                    given += fresh.num_rows
                    yield fresh
                return
            except Interrupted as error:
                if given and not part.repeats:
                    raise StartAgain(error.what, where=error.where, remedy=error.remedy) from error
                failures = 1 if given > before else failures + 1
                if failures >= self.attempts:
                    raise
            self._wait(failures)

    def _wait(self, failures: int) -> None:
        longest = min(self.most_seconds, self.seconds * 2 ** (failures - 1))
        self.sleep(longest * (1 - 0.5 * self.spread()))
