"""The configuration's JSON Schema: what editors complete and check while one writes.

It is as strict as a schema can be: what is checked across keys is told by ``check-config`` alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from whydrift.monitor.config.model import Config
from whydrift.monitor.config.service import Notifier
from whydrift.monitor.config.source import Source

__all__ = ["SCHEMA_FILE", "config_schema", "schema_text"]

SCHEMA_FILE: Final = "whydrift.schema.json"
_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_OUTSIDE: Final = "FromOutside"
_FROM_OUTSIDE: Final[JsonSchemaValue] = {
    "title": "From outside",
    "description": "${NAME} or ${NAME:-default} of the environment, or {file: path}",
    "anyOf": [
        {"type": "string", "pattern": r"\$\{"},
        {
            "type": "object",
            "properties": {"file": {"type": "string"}},
            "required": ["file"],
            "additionalProperties": False,
        },
    ],
}
_SCALARS: Final = frozenset(("string", "integer", "number", "boolean"))
# pydantic writes bounds beside a validator of ours as they are called in Python.
_BOUNDS: Final = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
}
# Exactly one of the keys; pydantic's schema does not say so.
_ONE_OF: Final[Mapping[type[BaseModel], tuple[str, ...]]] = {
    Notifier: ("alertmanager", "webhook", "slack", "pagerduty"),
    Source: ("files", "sql", "warehouse", "plugin"),
}


class _Written(GenerateJsonSchema):
    """As pydantic's, with defaults as they are written in YAML."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        found = super().default_schema(schema)
        default = schema.get("default")
        inner: Mapping[str, Any] = schema["schema"]
        written = inner.get("serialization", {}).get("function")
        if default is None or default == "" or isinstance(default, BaseModel):
            # Nothing is written for what is absent; of a mapping each key has its own default.
            found.pop("default", None)
        elif written is not None:
            found["default"] = written(default)
        return found


def config_schema() -> dict[str, Any]:
    """Return the schema, of draft 2020-12.

    Wherever a scalar stands, ``${NAME}`` and ``{file: …}`` may stand too.
    """
    found = Config.model_json_schema(by_alias=True, schema_generator=_Written)
    parts: dict[str, Any] = {"": found, **found["$defs"]}
    for model, keys in _ONE_OF.items():
        parts[model.__name__]["oneOf"] = [{"required": [key]} for key in keys]
    for part in parts.values():
        part.pop("title", None)
        for name, value in part.get("properties", {}).items():
            part["properties"][name] = _from_outside_too(_tidied(value))
    found["properties"]["sources"] = _closed(found["properties"]["sources"])
    found["$defs"][_OUTSIDE] = _FROM_OUTSIDE
    properties = found.pop("properties")
    return {
        "$schema": _DRAFT,
        "title": "Configuration of whydrift",
        **{key: value for key, value in found.items() if key != "$defs"},
        "properties": properties,
        "$defs": dict(sorted(found["$defs"].items())),
    }


def schema_text() -> str:
    """Return the schema as the file that is committed and exported."""
    import json

    return json.dumps(config_schema(), indent=2, ensure_ascii=False) + "\n"


def _tidied(schema: JsonSchemaValue) -> JsonSchemaValue:
    """Return a property's schema without what says nothing: titles, and null for what is absent."""
    schema = {_BOUNDS.get(key, key): value for key, value in schema.items() if key != "title"}
    options = [option for option in schema.pop("anyOf", []) if option.get("type") != "null"]
    options = [_tidied(option) for option in options]
    if len(options) == 1:
        schema = {**options[0], **schema}
    elif options:
        schema["anyOf"] = options
    if "items" in schema:
        schema["items"] = _tidied(schema["items"])
    return schema


def _closed(schema: JsonSchemaValue) -> JsonSchemaValue:
    """Return the schema of a mapping whose keys all have to fit their pattern."""
    return {**schema, "additionalProperties": False}


def _from_outside_too(schema: JsonSchemaValue) -> JsonSchemaValue:
    """Return the schema of a property whose scalars may come from outside."""
    if schema.get("type") == "array":
        return {**schema, "items": _from_outside_too(schema["items"])}
    if not any(_is_scalar(option) for option in _options(schema)):
        return schema
    kept = ("description", "default", "examples")
    outer: JsonSchemaValue = {key: value for key, value in schema.items() if key in kept}
    inner = {key: value for key, value in schema.items() if key not in outer}
    options = inner.pop("anyOf", None) or inner.pop("oneOf", None) or [inner]
    return {**outer, "anyOf": [*options, {"$ref": f"#/$defs/{_OUTSIDE}"}]}


def _options(schema: JsonSchemaValue) -> Iterator[JsonSchemaValue]:
    yield schema
    for kind in ("anyOf", "oneOf"):
        yield from schema.get(kind, ())


def _is_scalar(schema: JsonSchemaValue) -> bool:
    kinds = schema.get("type")
    named = {kinds} if isinstance(kinds, str) else set(kinds or ())
    return bool(named & _SCALARS) or "enum" in schema or "const" in schema
