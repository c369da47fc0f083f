"""Windows of data as values: Schema, and Snapshot with its parts."""

from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.schema import Column, ColumnKind, Role, Schema
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.discovery.snapshot.stream import infer_schema

__all__ = ["Column", "ColumnKind", "Note", "Role", "Schema", "Snapshot", "infer_schema"]
