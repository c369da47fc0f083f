"""Windows of data as values: Schema, and Snapshot with its parts."""

from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.schema import Column, ColumnKind, Role, Schema
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["Column", "ColumnKind", "Note", "Role", "Schema", "Snapshot"]
