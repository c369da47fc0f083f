"""Builds Snapshots of many parts: in this process, in several, or on the workers of Dask."""

from __future__ import annotations

from whydrift.monitor.building.backfill import snapshots_of_each
from whydrift.monitor.building.build import build, build_segments, choose_segments, snapshot_on
from whydrift.monitor.building.cluster import Cluster
from whydrift.monitor.building.comparisons import Pair, judge_each, segment_pairs
from whydrift.monitor.building.dask_address import DaskSettings
from whydrift.monitor.building.dask_cluster import DaskCluster, connected
from whydrift.monitor.building.one_process import OneProcess
from whydrift.monitor.building.processes import Processes, processes

__all__ = [
    "Cluster",
    "DaskCluster",
    "DaskSettings",
    "OneProcess",
    "Pair",
    "Processes",
    "build",
    "build_segments",
    "choose_segments",
    "connected",
    "judge_each",
    "processes",
    "segment_pairs",
    "snapshot_on",
    "snapshots_of_each",
]
