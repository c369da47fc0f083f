"""What all settings share: frozen, no unknown key, problems told with the way out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from whydrift.discovery.errors import WhydriftError, nearest
from whydrift.monitor.source.address import masked

__all__ = ["Settings", "problem", "shown_value", "told"]

_Value = TypeVar("_Value")


def problem(
    what: str,
    remedy: str,
    *path: str | int,
    is_unknown: bool = False,
    other: Sequence[str | int] = (),
) -> PydanticCustomError:
    """Return the error to raise inside a validator.

    Parameters
    ----------
    what, remedy : str
    *path : str or int
        Where below the validated value it lies.
    is_unknown : bool
        Whether it is a key that could be left out.
    other : sequence of str or int
        Where the other half of a contradiction lies, below the validated value.
    """
    # pydantic reads braces in the template: what is told goes through the context only.
    return PydanticCustomError(
        "whydrift",
        "{what}. {remedy}",
        {
            "what": what,
            "remedy": remedy,
            "path": list(path),
            "is_unknown": is_unknown,
            "other": list(other),
        },
    )


def shown_value(value: Any) -> str:
    """Return the beginning of a value as messages quote it, passwords in addresses masked."""
    if value is None:
        return "nothing"
    return f"{masked(value) if isinstance(value, str) else value!r:.40}"


def told(read: Callable[[Any], _Value]) -> Callable[[Any], _Value]:
    """Return the reader as a validator: its errors become problems of the configuration."""

    def validate(value: Any) -> _Value:
        try:
            return read(value)
        except WhydriftError as error:
            raise problem(error.what, error.remedy) from error

    return validate


class Settings(BaseModel):
    """A part of the configuration."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=False
    )

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, value: Any) -> Any:
        """Name the key that was meant, which pydantic's own error does not."""
        if isinstance(value, Mapping):
            known = [field.alias or name for name, field in cls.model_fields.items()]
            for key in value:
                if key not in known:
                    guess = nearest(str(key), known)
                    hint = f"Did you mean {guess!r}?" if guess else f"Known: {', '.join(known)}"
                    raise problem(f"unknown key {key!r}", hint, str(key), is_unknown=True)
        elif not isinstance(value, BaseModel):
            # Text in the place of a mapping is often the address in it, which may be a secret.
            found = "text" if isinstance(value, str) else shown_value(value)
            raise problem(f"a mapping is expected, not {found}", "Write `key: value` lines")
        return value
