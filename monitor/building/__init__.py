"""Builds Snapshots of many parts: in this process, in several, or on the workers of Dask."""

from __future__ import annotations

from whydrift.monitor.building.build import build, build_segments, choose_segments, snapshot_on
from whydrift.monitor.building.cluster import Cluster
from whydrift.monitor.building.dask_address import DaskSettings
from whydrift.monitor.building.dask_cluster import DaskCluster, connected
from whydrift.monitor.building.one_process import OneProcess
from whydrift.monitor.building.processes import Processes, processes

__all__ = [
    "Cluster",
    "DaskCluster",
    "DaskSettings",
    "OneProcess",
    "Processes",
    "build",
    "build_segments",
    "choose_segments",
    "connected",
    "processes",
    "snapshot_on",
]
