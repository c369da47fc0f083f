"""One strict reader of YAML: safe, YAML 1.2 scalars, no duplicate keys, every key's line kept.

With the scalars of YAML 1.1 the country ``NO`` would be false and ``12:30`` would be 750.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from whydrift.discovery.errors import ConfigError

__all__ = ["Document", "Place", "read_yaml"]

Place = tuple[str | int, ...]  # keys and positions on the way down

_MOST_DEPTH = 50
_PLAIN = frozenset(("tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"))


@dataclass(frozen=True)
class Document:
    """A value, and where each part of it stands in the text.

    Parameters
    ----------
    value : object
        Of dicts, lists, str, int, float, bool and None.
    lines : mapping of tuple to int
        Line of each key and item, counted from 1.
    where : str
        Names the text in messages.
    """

    value: Any
    lines: Mapping[Place, int]
    where: str

    def place(self, *path: str | int) -> str:
        """Return ``file.yaml, line 12, monitors[0].columns`` for a part of the value."""
        named = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")
        line = self.line(*path)
        return ", ".join(filter(None, [self.where, f"line {line}" if line else "", named]))

    def line(self, *path: str | int) -> int | None:
        """Return the line of a part; of a key that is missing, that of what it should stand in."""
        known = (self.lines.get(path[:length]) for length in range(len(path), -1, -1))
        return next((number for number in known if number is not None), None)


def read_yaml(text: str, where: str) -> Document:
    """Read one YAML document.

    Parameters
    ----------
    text : str
    where : str
        Names the text in messages.

    Raises
    ------
    ConfigError
        If it is not YAML, a key occurs twice, or an alias is used; the message names the line.
    """
    import yaml

    loader = None
    try:
        loader = _loader_class()(text)
        node = loader.get_single_node()
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1} column {mark.column + 1}" if mark else ""
        # The reader of characters calls it a reason, the parser a problem.
        reason = getattr(error, "problem", None) or getattr(error, "reason", "nested too deeply")
        raise ConfigError(
            f"not YAML ({reason})", where=where + place, remedy="Mend the file there"
        ) from error
    finally:
        if loader is not None:
            loader.dispose()
    lines: dict[Place, int] = {}
    value = None if node is None else _Builder(loader, where, lines).build(node, ())
    return Document(value, lines, where)


@dataclass
class _Builder:
    """Turns nodes into plain values."""

    loader: Any
    where: str
    lines: dict[Place, int]

    def build(self, node: Any, path: Place) -> Any:
        import yaml

        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        if len(path) > _MOST_DEPTH:
            raise ConfigError(
                "nested too deeply", where=f"{self.where}, line {line}", remedy="Make it flatter"
            )
        if isinstance(node, yaml.CollectionNode) and node.tag not in _PLAIN:
            raise self.unread(node)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, i)) for i, item in enumerate(node.value)]
        if not isinstance(node, yaml.MappingNode):
            return self.scalar(node)
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key_line = key_node.start_mark.line + 1
            key = str(self.scalar(key_node)) if isinstance(key_node, yaml.ScalarNode) else None
            if key is None or key in found:
                raise ConfigError(
                    "a key is no plain word" if key is None else f"the key {key!r} occurs twice",
                    where=f"{self.where}, line {key_line}",
                    remedy="Write keys as words" if key is None else "Keep one of the two",
                )
            self.lines[(*path, key)] = key_line
            found[key] = self.build(value_node, (*path, key))
        return found

    def scalar(self, node: Any) -> Any:
        try:
            return self._scalar(node)
        except ValueError as error:  # thousands of digits, or words under a tag that says a number
            raise ConfigError(
                f"this is no number that can be read: {node.value[:20]!r}",
                where=f"{self.where}, line {node.start_mark.line + 1}",
                remedy="Write a shorter number",
            ) from error

    def _scalar(self, node: Any) -> Any:
        tag, text = node.tag.removeprefix("tag:yaml.org,2002:"), node.value
        match tag:
            case "str":
                return text
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int":
                return int(text, 0) if text[:2] in {"0x", "0o"} else int(text)
            case "float":
                return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
            case _:
                raise self.unread(node)

    def unread(self, node: Any) -> ConfigError:
        return ConfigError(
            f"the tag {node.tag!r} is not read",
            where=f"{self.where}, line {node.start_mark.line + 1}",
            remedy="Write plain words, numbers, lists and mappings",
        )


@cache
def _loader_class() -> Any:
    """Return a loader that resolves scalars as YAML 1.2's core schema does, and has no aliases."""
    import re

    import yaml

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - as PyYAML declares it

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                event: Any = self.peek_event()  # type: ignore[no-untyped-call]
                raise yaml.composer.ComposerError(
                    None, None, "aliases (*name) are not read", event.start_mark
                )
            return super().compose_node(parent, index)

    for name, pattern, first in (
        ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
        ("null", r"~|null|Null|NULL|", "~nN"),
        ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
        (
            "float",
            r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
            r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
            "-+.0123456789",
        ),
    ):
        Loader.add_implicit_resolver(
            f"tag:yaml.org,2002:{name}",
            re.compile(rf"^(?:{pattern})$"),
            [*first, *([""] if name == "null" else [])],
        )
    return Loader
