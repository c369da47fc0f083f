"""Effects of events, estimated in a worker: who waits for them holds no thread of the others."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from anyio import CapacityLimiter, WouldBlock, to_thread

from whydrift.monitor.service.busy import Busy
from whydrift.monitor.service.event_beside import others_of
from whydrift.monitor.service.event_effects import EffectsRequest
from whydrift.monitor.service.web.service import Service
from whydrift.monitor.store.state import EventRecord

if TYPE_CHECKING:
    from whydrift.monitor.service.report_queue import Effects

__all__ = ["effects_told"]

_SECONDS: Final = 30.0  # a worker may have to be started first
_WAITING: Final = CapacityLimiter(16)


async def effects_told(service: Service, monitor: str, events: Sequence[EventRecord]) -> Effects:
    """Return the effects of the newest of some events, by the event's id.

    Raises
    ------
    StoreError
        If the store cannot be read.
    OptionError
        If they could not be estimated.
    Busy
        If it takes long, or too many wait already; it is estimated all the same.
    """
    config = service.config()
    others = [m.name for m in others_of(config.monitor_named(monitor), config.monitors)]
    request = await to_thread.run_sync(EffectsRequest.of, service.store, monitor, events, others)
    if not request.events:
        return {}
    answer = service.reports.effects(request)
    if not answer.done():
        me = object()
        try:
            _WAITING.acquire_on_behalf_of_nowait(me)
        except WouldBlock:
            raise _busy() from None
        try:
            # Without giving it up at the end: others may wait for the same.
            await asyncio.wait([asyncio.wrap_future(answer)], timeout=_SECONDS)
        finally:
            _WAITING.release_on_behalf_of(me)
    if not answer.done():
        raise _busy()
    return answer.result()


def _busy() -> Busy:
    return Busy(
        "The effects are still being estimated", where="effects", remedy="Ask again in a minute"
    )
