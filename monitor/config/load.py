"""Reads a configuration; what is wrong is told with file, line, key and the way out."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from whydrift.discovery.errors import ConfigError, nearest
from whydrift.monitor.config.base import shown_value
from whydrift.monitor.config.documents import Documents, broken_files, read_documents
from whydrift.monitor.config.expand import KEEP_UNSET, Expansion
from whydrift.monitor.config.model import Config
from whydrift.monitor.strict_yaml import Place, read_yaml

__all__ = ["Reading", "load_config", "parse_config", "read_config"]

_MOST_TOLD: Final = 5  # of several mistakes at once
_MOST_UNKNOWN: Final = 100  # keys that nobody knows
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


@dataclass(frozen=True)
class Reading:
    """A configuration, or all that is wrong with it.

    Parameters
    ----------
    config : Config, optional
        None where there is a problem.
    problems : tuple of ConfigError
        Each in its place.
    documents : Documents, optional
        Where each part stands; None where the files cannot be read as YAML.
    from_outside : frozenset of tuple
        Places whose value came from a variable or a file.
    """

    config: Config | None
    problems: tuple[ConfigError, ...] = ()
    documents: Documents | None = None
    from_outside: frozenset[Place] = frozenset()

    def place(self, *path: str | int) -> str:
        """Return ``file.yaml, line 12, monitors[0].columns`` for a part of it."""
        return "" if self.documents is None else self.documents.place(path)


def read_config(
    path: str | os.PathLike[str], *, environment: Mapping[str, str] | None = None
) -> Reading:
    """Read a configuration to tell all that is wrong with it, and not the first thing alone.

    Raises
    ------
    SourceError
        If a file is not there or cannot be read.
    """
    full = Path(path)
    try:
        documents = read_documents(full)
    except ConfigError as error:
        broken = broken_files(full) if full.is_dir() else ()
        return Reading(None, broken or (error,))
    outside = os.environ if environment is None else environment
    folder = full if full.is_dir() else full.parent
    expansion = Expansion(outside, folder, documents.place, keep_unset=True)
    try:
        value = expansion.expand(documents.value)
    except ConfigError as error:
        return Reading(None, (error,), documents)
    config, found = _validated(value, documents, expansion)
    # What a variable would have held may be right: that it is not set is said already.
    told = [(place, error) for place, error in found if place not in expansion.unset]
    wrong = sorted((*expansion.unset.items(), *told), key=lambda item: documents.order(item[0]))
    problems = tuple(error for _, error in wrong)
    return Reading(
        None if problems else config, problems, documents, frozenset(expansion.from_outside)
    )


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
    config, problems = _validated(expansion.expand(documents.value), documents, expansion)
    if config is None:
        raise _joined([problem for _, problem in problems])
    return config


def _validated(
    value: Any, documents: Documents, expansion: Expansion
) -> tuple[Config | None, list[tuple[Place, ConfigError]]]:
    """Return the configuration, or every problem with its place."""
    context = {KEEP_UNSET: expansion.keep_unset}
    found: dict[Place, ConfigError] = {}
    rest, looked_over = value, set[Place]()
    for _ in range(_MOST_UNKNOWN):
        try:
            config = Config.model_validate(rest, context=context)
        except ValidationError as error:
            # pydantic's own text may quote a secret: it goes no further.
            details = error.errors(include_url=False)
        else:
            return (None if found else config), list(found.items())
        unknown: list[Place] = []
        for one in details:
            path, problem = _told(one, rest, documents, expansion.from_outside)
            # That something is missing beside an unknown key may be the same mistake.
            is_consequence = path in looked_over or (
                one["type"] == "missing" and path[:-1] in looked_over
            )
            if not is_consequence:
                found.setdefault(path, problem)
            if one.get("ctx", {}).get("is_unknown"):
                unknown.append(path)
        if not unknown:
            break
        # An unknown key hides what else is wrong beside it: look once more, without it.
        rest = _without(rest, unknown)
        looked_over |= {path[:-1] for path in unknown}
    return None, list(found.items())


def _without(value: Any, paths: list[Place]) -> Any:
    """Return a copy without some keys of mappings."""
    left = copy.deepcopy(value)
    for *above, key in paths:
        part = left
        for step in above:
            part = part[step]
        for known in [k for k in part if str(k) == key]:
            del part[known]
    return left


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
) -> tuple[Place, ConfigError]:
    """Return one of pydantic's errors as one of ours, and its place."""
    context = details.get("ctx", {})
    base = _path(details["loc"], value)
    path = (*base, *context.get("path", ()))
    what, remedy = _words(details, path)
    if context.get("other"):
        what += f"; the other stands in {documents.place((*base, *context['other']))}"
    if path in from_outside:
        # It may be what nobody should read, in a wrong place.
        what = "its value, which comes from a variable or a file, does not fit"
        remedy = "See what the variable or file holds, and what belongs there"
    return path, ConfigError(what, where=documents.place(path), remedy=remedy)


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
