"""Which monitors this daemon judges: leases on them, kept, shared and given up."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from whydrift.monitor.store.state import Lease

if TYPE_CHECKING:
    from whydrift.monitor.store.store import Store

__all__ = ["TURN_EVERY", "Changed", "Holdings"]

# One who takes over looks every so often, in shares of the lease's time; what is left of it is how
# long a lease lasts in the database. Together they are the time in which a take-over is promised.
TURN_EVERY: Final = 1 / 6
_LASTS: Final = 1 - TURN_EVERY
# No monitor can have this name: these leases tell the daemons of each other.
_PRESENCE: Final = "@daemon-{}"


@dataclass(frozen=True, slots=True)
class Changed:
    """What came and went.

    Parameters
    ----------
    taken, lost, released : tuple of str
        Monitors: from now on ours; taken by another, or not renewed in time; given up by us.
    """

    taken: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    released: tuple[str, ...] = ()


class Holdings:
    """Leases of this daemon; one thread keeps them, others ask.

    Daemons that share a database have a lease on a name of their own too, by which they count each
    other. Each takes no more than its share of the monitors, and gives up what it has beyond that,
    so that one that comes later gets some; what nobody takes for as long as a lease lasts is
    anybody's.

    Parameters
    ----------
    store : Store
    holder : str
        Our name.
    seconds : float
        In which a daemon that died is replaced; :meth:`turn` is called `TURN_EVERY` of it.
    is_alone : bool
        Whether no other daemon can be there: then old leases are those of a dead one.
    monotonic : callable
        Seconds.
    """

    def __init__(
        self,
        store: Store,
        holder: str,
        *,
        seconds: float,
        is_alone: bool,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._holder, self._is_alone = store, holder, is_alone
        self.seconds = seconds
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._held: dict[str, Lease] = {}
        self._until: dict[str, float] = {}  # by our own clock: the database may be unreachable
        self._free_since: dict[str, float] = {}
        self._presence: Lease | None = None
        self._was_cleared = False

    @property
    def _lasts(self) -> float:
        return self.seconds * _LASTS

    def get(self, monitor: str) -> Lease | None:
        """Return the lease on a monitor, where it is held and has not run out."""
        with self._lock:
            if self._until.get(monitor, -math.inf) <= self._monotonic():
                return None
            return self._held.get(monitor)

    @property
    def monitors(self) -> frozenset[str]:
        """Monitors that are held."""
        with self._lock:
            now = self._monotonic()
            return frozenset(name for name in self._held if self._until[name] > now)

    def turn(self, monitors: Collection[str], busy: Collection[str]) -> Changed:
        """Renew, take what is free, give up what is too much.

        Parameters
        ----------
        monitors : collection of str
            Those of the configuration, in its order.
        busy : collection of str
            Those that are being judged: not given up now.

        Raises
        ------
        StoreError
            If the store does not answer: what is held holds until its time is up.
        """
        lost = self._renew()
        leases = self._others()
        taken_by_others = {lease.monitor for lease in leases if lease.holder != self._holder}
        daemons = {lease.holder for lease in leases} | {self._holder}
        share = len(monitors) if self._is_alone else math.ceil(len(monitors) / len(daemons))
        released = self._give_up(monitors, busy, share)
        taken = self._take([m for m in monitors if m not in taken_by_others], released, share)
        return Changed(taken, lost, released)

    def release_all(self) -> None:
        """Give all up, so that others need not wait.

        Raises
        ------
        StoreError
            If the store cannot be reached: then the leases run out by themselves.
        """
        with self._lock:
            held, self._held, self._until = list(self._held.values()), {}, {}
            presence, self._presence = self._presence, None
        self._store.release_leases(held if presence is None else [*held, presence])

    # ---- inside --------------------------------------------------------------------------------
    def _renew(self) -> tuple[str, ...]:
        with self._lock:
            held = list(self._held.values())
        ours = held if self._presence is None else [*held, self._presence]
        asked = self._monotonic()
        kept = {
            lease.monitor: lease for lease in self._store.renew_leases(ours, seconds=self._lasts)
        }
        if self._presence is not None:
            self._presence = kept.pop(self._presence.monitor, None)
        with self._lock:
            self._held = kept
            self._until = dict.fromkeys(kept, asked + self._lasts)
        return tuple(lease.monitor for lease in held if lease.monitor not in kept)

    def expire(self) -> tuple[str, ...]:
        """Give up the monitors whose time is up, and return them: another may hold them by now."""
        with self._lock:
            now = self._monotonic()
            gone = tuple(name for name, until in self._until.items() if until <= now)
            for name in gone:
                del self._held[name], self._until[name]
            return gone

    def _others(self) -> tuple[Lease, ...]:
        leases = self._store.list_leases()
        if self._is_alone:
            if not self._was_cleared:  # a daemon that died cannot give them up itself
                self._store.release_leases([one for one in leases if one.holder != self._holder])
                self._was_cleared = True
            return ()
        if self._presence is None:
            named = {lease.monitor for lease in leases}
            free = (n for n in map(_PRESENCE.format, range(1, len(leases) + 2)) if n not in named)
            self._presence = self._store.take_lease(next(free), self._holder, seconds=self._lasts)
        return leases

    def _give_up(
        self, monitors: Collection[str], busy: Collection[str], share: int
    ) -> tuple[str, ...]:
        with self._lock:
            idle = [name for name in self._held if name not in busy]
            gone = [name for name in idle if name not in monitors]
            too_many = sum(name in monitors for name in self._held) - share
            # From the end: those that were taken first, and are known best, stay.
            surplus = [name for name in reversed(idle) if name in monitors][: max(too_many, 0)]
            leases = [self._held.pop(name) for name in (*gone, *surplus)]
            for lease in leases:
                del self._until[lease.monitor]
        if leases:
            self._store.release_leases(leases)
        return tuple(lease.monitor for lease in leases)

    def _take(self, free: Iterable[str], released: Collection[str], share: int) -> tuple[str, ...]:
        now = self._monotonic()
        wanted = [name for name in free if name not in self._held]
        self._free_since = {name: self._free_since.get(name, now) for name in wanted}
        taken = []
        for name in wanted:
            room = len(self._held) < share and name not in released
            if not room and now - self._free_since[name] <= self.seconds:
                continue
            lease = self._store.take_lease(name, self._holder, seconds=self._lasts)
            if lease is None:
                continue
            with self._lock:
                self._held[name], self._until[name] = lease, now + self._lasts
            taken.append(name)
        return tuple(taken)
