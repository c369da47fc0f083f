"""Where a command's work is done: here, or on the workers that ``--dask`` or the file names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from whydrift.monitor.building import Cluster, DaskSettings

__all__ = ["dask_workers"]


@contextmanager
def dask_workers(
    address: str | None, configured: DaskSettings | None = None
) -> Iterator[Cluster | None]:
    """Give the workers of a Dask scheduler; None where none is named.

    Parameters
    ----------
    address : str, optional
        What ``--dask`` says; it counts before the configuration, whose certificates it keeps.
    configured : DaskSettings, optional
        What the configuration says.

    Raises
    ------
    OptionError, ClusterError
        As in :func:`whydrift.monitor.building.connected`.
    """
    if address is None and configured is None:
        yield None
        return
    from whydrift.monitor.building import DaskSettings, connected

    settings = configured or DaskSettings(address or "")
    if address is not None:
        settings = replace(settings, address=address)
    with connected(settings) as workers:
        yield workers
