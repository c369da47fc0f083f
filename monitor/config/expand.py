"""What a configuration takes from outside: ``${ENV}``, ``${ENV:-default}`` and ``{file: …}``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from whydrift.discovery.errors import ConfigError, nearest
from whydrift.monitor.strict_yaml import Place

__all__ = ["KEEP_UNSET", "Expansion", "is_unset"]

KEEP_UNSET: Final = "keep_unset"  # key of pydantic's context

_VARIABLE: Final = re.compile(
    r"\$(?P<escaped>\$\{)|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-[^}]*)?\}|(?P<odd>\$\{)"
)
_MOST_BYTES: Final = 1 << 20


@dataclass
class Expansion:
    """Puts values from outside into scalars, never into keys, and remembers where.

    Parameters
    ----------
    environment : mapping of str to str
    folder : Path
        Where relative files of ``{file: …}`` lie.
    where : callable
        Names a path of the document in messages.
    keep_unset : bool
        Leave what is not set as it is written, for readers that need none of it.

    Attributes
    ----------
    from_outside : set of tuple
        Places whose value came from a variable or a file.
    unset : dict of tuple to ConfigError
        Places that were left as they are written, and why.
    """

    environment: Mapping[str, str]
    folder: Path
    where: Callable[[Place], str]
    keep_unset: bool = False
    from_outside: set[Place] = field(default_factory=set, init=False)
    unset: dict[Place, ConfigError] = field(default_factory=dict, init=False)

    def expand(self, value: Any, path: Place = ()) -> Any:
        """Return the value with all scalars expanded.

        Raises
        ------
        ConfigError
            If a variable is not set, or a file cannot be read.
        """
        match value:
            case str():
                return self._text(value, path)
            case {"file": str(name), **rest} if not rest:
                return self._file(self._text(name, (*path, "file")), path)
            case dict():
                return {key: self.expand(item, (*path, key)) for key, item in value.items()}
            case list():
                return [self.expand(item, (*path, place)) for place, item in enumerate(value)]
            case _:
                return value

    def _text(self, text: str, path: Place) -> str:
        def found(match: re.Match[str]) -> str:
            if match["escaped"]:
                return "${"
            if match["odd"]:
                raise ConfigError(
                    "this ${ has no name or no end",
                    where=self.where(path),
                    remedy="Write ${NAME} or ${NAME:-default}, and $${ for the characters",
                )
            return self._variable(match["name"], match["default"], match[0], path)

        return _VARIABLE.sub(found, text)

    def _variable(self, name: str, default: str | None, written: str, path: Place) -> str:
        value = self.environment.get(name)
        if default is not None and not value:  # as a shell does: an empty one is as good as none
            return default[2:]
        if value is None:
            guess = nearest(name, self.environment)
            hint = f" (did you mean {guess}?)" if guess else ""
            return self._left(
                written,
                path,
                ConfigError(
                    f"the environment variable {name} is not set{hint}",
                    where=self.where(path),
                    remedy=f"Set it, or write ${{{name}:-default}}",
                ),
            )
        self.from_outside.add(path)
        return value

    def _file(self, name: str, path: Place) -> str:
        full = self.folder / name
        self.from_outside.add(path)
        try:
            with full.open("rb") as stream:
                content = stream.read(_MOST_BYTES + 1)
            text = content.decode("utf-8")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            problem = ConfigError(
                f"the file {str(full)!r} cannot be read ({(reason or 'unknown').lower()})",
                where=self.where(path),
                remedy="Name a file of one value that the service may read",
            )
            problem.__cause__ = error
            return self._left(f"{{file: {name}}}", path, problem)
        if len(content) > _MOST_BYTES:
            raise ConfigError(
                f"the file {str(full)!r} is larger than 1 MiB",
                where=self.where(path),
                remedy="Name a file of one value",
            )
        return text.rstrip("\r\n")

    def _left(self, written: str, path: Place, problem: ConfigError) -> str:
        """Return a value as it is written, where that will do."""
        if not self.keep_unset:
            raise problem
        self.unset.setdefault(path, problem)
        return written


def is_unset(text: str, context: Any) -> bool:
    """Whether a value was left as it is written, for a reader that does not need it."""
    if not (context and context.get(KEEP_UNSET)):
        return False
    # A password may hold the characters ${ without meaning a variable.
    return "{file:" in text or any(found["name"] for found in _VARIABLE.finditer(text))
