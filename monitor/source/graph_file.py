"""Reads graphs and knowledge from files."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whydrift.discovery.errors import GraphError, SourceError
from whydrift.discovery.knowledge import Knowledge
from whydrift.monitor.source.paths import missing_file

if TYPE_CHECKING:
    from whydrift.discovery.graph import Graph

__all__ = ["read_graph", "read_knowledge"]


def read_graph(path: str | os.PathLike[str]) -> Graph:
    """Read a graph: JSON as ``whydrift discover -o`` writes it, JSON pairs, DOT or GML.

    Parameters
    ----------
    path : str or path
        The format is told from the contents.

    Raises
    ------
    SourceError
        If the file cannot be read.
    GraphError
        If it holds no graph; the message names the file and the place in it.
    """
    text = _text(Path(path))
    from whydrift.discovery.formats import graph_from_text

    return graph_from_text(text, where=os.fspath(path))


def read_knowledge(path: str | os.PathLike[str]) -> Knowledge:
    """Read what is known about causes: tiers, required and forbidden edges, as JSON or YAML.

    Parameters
    ----------
    path : str or path
        JSON is told from the name or the contents; anything else is read as YAML.

    Raises
    ------
    SourceError
        If the file cannot be read.
    GraphError
        If it holds no knowledge, or statements clash; the message names the file and the place.
    """
    where = os.fspath(path)
    text = _text(Path(path))
    is_json = Path(path).suffix.lower() == ".json" or text.lstrip().startswith("{")
    value = _json(text, where) if is_json else _yaml(text, where)
    if not isinstance(value, Mapping):
        raise GraphError(
            "this is no knowledge: an object with tiers, required, forbidden, never_a_cause or "
            "exogenous is expected",
            where=where,
            remedy='Write for example {"tiers": [["region"], ["income"], ["price"]]}',
        )
    try:
        return Knowledge.from_dict(value)
    except GraphError as error:
        raise GraphError(
            error.what, where=f"{where}, {error.where}", remedy=error.remedy
        ) from error


def _text(path: Path) -> str:
    path = path.expanduser()
    if not path.exists():
        raise missing_file(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(
            "this is no text (not UTF-8)", where=str(path), remedy="Save it as UTF-8 text"
        ) from error
    except OSError as error:
        raise SourceError(
            (error.strerror or "it cannot be read").lower(),
            where=str(path),
            remedy="Give a file that you may read",
        ) from error
    if not text.strip():
        raise SourceError("the file is empty", where=str(path), remedy="Give a file with contents")
    return text


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        place = (
            f", line {error.lineno} column {error.colno}"
            if isinstance(error, json.JSONDecodeError)
            else ""
        )
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply"
        raise GraphError(
            f"not JSON ({reason})", where=where + place, remedy="Mend the file there"
        ) from error


def _yaml(text: str, where: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1} column {mark.column + 1}" if mark else ""
        reason = getattr(error, "problem", None) or "unreadable"
        raise GraphError(
            f"not YAML ({reason})", where=where + place, remedy="Mend the file there"
        ) from error
