"""On what kind of file system a path lies: SQLite's locks hold on local ones only."""

from __future__ import annotations

import os
import re
from pathlib import Path

__all__ = ["file_system", "is_network"]

_MOUNTS = Path("/proc/self/mountinfo")
_NETWORK = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "coda", "ceph", "lustre", "gpfs",
     "beegfs", "glusterfs", "gfs2", "ocfs2", "davfs", "orangefs", "pvfs2")
)  # fmt: skip
# Of what a program serves ("fuse.sshfs"): those that reach other machines.
_FUSE = re.compile(
    r"fuse\.(.*(sshfs|s3|gcs|rclone|gluster|ceph|juicefs|blob|davfs|goofys|alluxio|nfs|mfs).*)"
)


def file_system(path: Path, mounts: str | None = None) -> str | None:
    """Return the kind of file system of a path (``ext4``, ``nfs4``), None where it is not told.

    Parameters
    ----------
    path : Path
        Need not exist yet.
    mounts : str, optional
        Text of Linux's ``/proc/self/mountinfo``; by default that of this process.
    """
    if mounts is None:
        try:
            mounts = _MOUNTS.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
    full = os.path.realpath(path)
    best, kind = "", None
    for line in mounts.splitlines():
        before, dash, after = line.partition(" - ")
        fields = before.split(" ")
        if not dash or len(fields) < 5:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), fields[4])
        inside = full == point or full.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):  # of two at one place the later lies on top
            best, kind = point, after.split(" ")[0]
    return kind


def is_network(kind: str | None) -> bool:
    """Whether files of this kind of file system are shared with other machines."""
    return kind is not None and (kind in _NETWORK or _FUSE.fullmatch(kind) is not None)
