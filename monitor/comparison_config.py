"""What a configuration says that matters to one comparison: columns, loss, knowledge, Dask.

``whydrift compare --config`` takes it from the service's own file, so that a monitor can be tried
by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from whydrift.discovery.knowledge import Knowledge
    from whydrift.monitor.building.dask_address import DaskSettings
    from whydrift.monitor.config import Config

__all__ = ["ComparisonConfig", "comparison_config", "load_comparison_config"]


@dataclass(frozen=True)
class ComparisonConfig:
    """One monitor's settings, as far as a comparison of two windows needs them."""

    target: str | None = None
    prediction: str | None = None
    cluster: str | None = None
    time_column: str | None = None
    timezone: str = "UTC"
    ignore: tuple[str, ...] = ()
    loss: str = "auto"
    floor: float | None = None
    method: str = "auto"
    knowledge: Knowledge | None = None
    dask: DaskSettings | None = None


def load_comparison_config(path: Path, monitor: str | None = None) -> ComparisonConfig:
    """Read a configuration, and return the settings of one monitor; no secret has to be set.

    Raises
    ------
    ConfigError
        If the configuration is wrong, or there is no such monitor.
    SourceError
        If there is no such file.
    """
    from whydrift.monitor.config import load_config

    return comparison_config(load_config(path, keep_unset=True), monitor, where=str(path))


def comparison_config(
    config: Config, monitor: str | None = None, *, where: str = "configuration"
) -> ComparisonConfig:
    """Return the settings of one monitor.

    Parameters
    ----------
    config : Config
    monitor : str, optional
        Its name; may be left out where there is only one.
    where : str
        Names the configuration in messages.

    Raises
    ------
    ConfigError
        If there is no such monitor.
    """
    found = config.monitor_named(monitor, where=where)
    columns = found.columns
    return ComparisonConfig(
        target=columns.target,
        prediction=columns.prediction,
        cluster=columns.cluster,
        time_column=config.source_of(found.source).time_column,
        timezone=str(found.window.timezone),
        ignore=columns.ignore,
        loss=found.loss,
        floor=found.floor,
        method=found.graph.method,
        knowledge=found.graph.knowledge,
        dask=None if config.dask is None else config.dask.settings(),
    )
