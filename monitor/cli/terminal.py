"""What reaches the terminal: consoles, errors, and output that nobody takes."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, TextIO, cast

from whydrift.discovery.plain_text import clean

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["console", "has_colours", "reader_may_leave", "silence_output", "tell_error"]

# Off a terminal nobody sees line ends: wide enough that nothing is folded or cut.
_WIDE = 10_000


def has_colours(stream: TextIO) -> bool:
    """Whether colours are wanted: a terminal, and neither NO_COLOR nor a dumb one."""
    return (
        stream.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM", "") not in {"dumb", "unknown"}
    )


def console(stream: TextIO | None = None, *, markup: bool = False) -> Console:
    """Return a rich console; without colours and as wide as need be where it is no terminal.

    Parameters
    ----------
    stream : file, optional
        Where to write; standard output by default.
    markup : bool
        Whether ``[bold]`` and its like are obeyed: only where no text comes from the data.
    """
    from rich.console import Console

    class Pipe(Console):
        """A console that leaves a broken pipe to the caller (rich would exit with status 1)."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    # Python has no standard output where the shell closed it (>&-): then nobody is told.
    stream = stream or sys.stdout or io.StringIO()
    return Pipe(
        file=stream if stream.isatty() else cast(IO[str], _Trimmed(stream)),
        color_system="auto" if has_colours(stream) else None,
        force_terminal=stream.isatty(),
        width=None if stream.isatty() else _WIDE,
        highlight=False,
        markup=markup,
        emoji=False,
        soft_wrap=not stream.isatty(),
    )


class _Trimmed:
    """A stream without the blanks that tables put at the ends of lines."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(re.sub(r"[ ]+(?=\n)", "", text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def tell_error(text: str) -> None:
    """Write one plain line on standard error."""
    if sys.stderr is None:  # closed by the shell
        return
    word = "\x1b[1;31merror:\x1b[0m" if has_colours(sys.stderr) else "error:"
    print(word, clean(text), file=sys.stderr)


@contextmanager
def reader_may_leave() -> Iterator[None]:
    """Write to standard output within; a reader that leaves early (``| head``) is no error."""
    try:
        yield
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        silence_output()


def silence_output() -> None:
    """Drop what is still to be written, so that Python's own flush at exit does not fail again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, sys.stdout.fileno())
    except (AttributeError, OSError, ValueError):
        pass  # standard output is closed, or no file, as in a test
    finally:
        os.close(nowhere)
