"""Reads a configuration; what is wrong is told with file, line, key and the way out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from whydrift.discovery.errors import ConfigError, nearest
from whydrift.monitor.config.base import shown_value
from whydrift.monitor.config.documents import Documents, read_documents
from whydrift.monitor.config.expand import KEEP_UNSET, Expansion
from whydrift.monitor.config.model import Config
from whydrift.monitor.strict_yaml import Place, read_yaml

__all__ = ["load_config", "parse_config"]

_MOST_TOLD: Final = 5  # of several mistakes at once
_SECRET: Final = frozenset(("url", "urls", "secret", "sha256", "token", "routing_key"))


def load_config(
    path: str | os.PathLike[str],
    *,
    environment: Mapping[str, str] | None = None,
    keep_unset: bool = False,
) -> Config:
    """Read a configuration from a file, or from all .yaml files of a folder.

    Parameters
    ----------
    path : str or path
    environment : mapping of str to str, optional
        For ``${ENV}``; that of the process by default.
    keep_unset : bool
        Leave variables that are not set, and files that are not there, as they are written: for
        readers that need no secrets, such as ``compare --config``.

    Raises
    ------
    ConfigError
        The message names file, line and key, and of several mistakes the first five.
    """
    full = Path(path)
    folder = full if full.is_dir() else full.parent
    return _checked(read_documents(full), folder, environment, keep_unset)


def parse_config(
    text: str,
    where: str = "configuration",
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    keep_unset: bool = False,
) -> Config:
    """Read a configuration from text.

    Parameters
    ----------
    text : str
    where : str
        Names it in messages.
    folder : Path, optional
        Where files of ``{file: …}`` lie; the working directory by default.
    environment, keep_unset
        As in :func:`load_config`.

    Raises
    ------
    ConfigError
        The message names line and key.
    """
    documents = Documents.of(read_yaml(text, where))
    return _checked(documents, folder or Path(), environment, keep_unset)


def _checked(
    documents: Documents,
    folder: Path,
    environment: Mapping[str, str] | None,
    keep_unset: bool,
) -> Config:
    outside = os.environ if environment is None else environment
    expansion = Expansion(outside, folder, documents.place, keep_unset)
    value = expansion.expand(documents.value)
    try:
        return Config.model_validate(value, context={KEEP_UNSET: keep_unset})
    except ValidationError as error:
        problems = [
            _told(details, value, documents, expansion.from_outside)
            for details in error.errors(include_url=False)
        ]
        raise _joined(problems) from None  # pydantic's own text may quote a secret


def _joined(problems: list[ConfigError]) -> ConfigError:
    """Return the first problem, which tells of the others too."""
    first, *others = problems
    if not others:
        return first
    more = "; ".join(f"{p.where}: {p.what}" for p in others[: _MOST_TOLD - 1])
    rest = len(others) - (_MOST_TOLD - 1)
    more += f"; and {rest} more" if rest > 0 else ""
    return ConfigError(
        first.what, where=first.where, remedy=f"{first.remedy.rstrip('.')}. Also: {more}"
    )


def _told(
    details: ErrorDetails, value: Any, documents: Documents, from_outside: set[Place]
) -> ConfigError:
    """Return one of pydantic's errors as one of ours."""
    context = details.get("ctx", {})
    path = (*_path(details["loc"], value), *context.get("path", ()))
    what, remedy = _words(details, path)
    if path in from_outside:
        # It may be what nobody should read, in a wrong place.
        what = "its value, which comes from a variable or a file, does not fit"
        remedy = "See what the variable or file holds, and what belongs there"
    return ConfigError(what, where=documents.place(path), remedy=remedy)


def _path(location: tuple[int | str, ...], value: Any) -> Place:
    """Return pydantic's location without the steps that are no keys, such as tags of a union."""
    path: list[int | str] = []
    for place, step in enumerate(location):
        is_last = place == len(location) - 1
        if isinstance(value, Mapping) and (step in value or (is_last and _is_key(step))):
            path.append(step)
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            path.append(step)
            value = value[step]
    return tuple(path)


def _is_key(step: int | str) -> bool:
    return isinstance(step, str) and step.isidentifier()


def _words(details: ErrorDetails, path: Place) -> tuple[str, str]:
    context = details.get("ctx", {})
    kind = details["type"]
    key = next((step for step in reversed(path) if isinstance(step, str)), "value")
    shown = "this value" if _SECRET.intersection(path) else shown_value(details["input"])
    match kind:
        case "whydrift":
            return context["what"], context["remedy"]
        case "missing":
            if path == ("version",):
                return "there is no version", "Begin the file with: version: 1"
            if path == ("monitors",):
                return _NO_MONITORS
            return f"{key!r} is missing", f"Write {key}: …"
        case "too_short":
            return f"{key!r} is empty", "Write at least one, or leave the key out"
        case "literal_error":
            known = [word.strip("'") for word in _listed(context["expected"])]
            guess = nearest(str(details["input"]), known)
            hint = f"Did you mean {guess!r}? " if guess else ""
            return f"{shown} is no {key}", f"{hint}Known: {', '.join(known)}"
        case "tuple_type" | "list_type":
            return f"a list is expected, not {shown}", f"Write {key}: [a, b]"
        case "dict_type" | "model_type":
            return f"a mapping is expected, not {shown}", "Write `key: value` lines"
        case "string_type":
            return f"{shown} is no text", "Put it in quotes if it is one"
        case "bool_type" | "bool_parsing":
            return f"{shown} is neither true nor false", f"Write {key}: true"
        case "greater_than_equal" | "greater_than" | "less_than_equal" | "less_than":
            message = details["msg"].replace("Input should be ", "")
            return f"{shown} is not {message}", f"Write a number that is {message}"
    return details["msg"][:1].lower() + details["msg"][1:], f"Write another {key}"


_NO_MONITORS: Final = (
    "there is no list of monitors",
    "`whydrift init DATA -o whydrift.yaml` writes one",
)


def _listed(expected: str) -> list[str]:
    return [word.strip() for word in expected.replace(" or ", ", ").split(",")]
