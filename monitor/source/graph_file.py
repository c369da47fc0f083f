"""Reads graphs and knowledge from files."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whydrift.discovery.errors import ConfigError, GraphError
from whydrift.discovery.formats import once_each
from whydrift.discovery.knowledge import Knowledge
from whydrift.monitor.source.text_file import read_text
from whydrift.monitor.strict_yaml import read_yaml

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
    text = read_text(Path(path))
    from whydrift.discovery.formats import graph_from_text

    return graph_from_text(text, where=os.fspath(path))


def read_knowledge(path: str | os.PathLike[str]) -> Knowledge:
    """Read what is known about causes, as JSON or YAML: tiers, required edges and the rest.

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
    text = read_text(Path(path))
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


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=partial(once_each, where=where))
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
    try:
        return read_yaml(text, where).value
    except ConfigError as error:
        raise GraphError(error.what, where=error.where, remedy=error.remedy) from error
