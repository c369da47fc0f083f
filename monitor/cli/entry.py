"""Runs the command line: every way out of it is one of the exit statuses."""

from __future__ import annotations

import errno
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import TextIO

from whydrift.discovery.errors import WhydriftError
from whydrift.discovery.plain_text import clean
from whydrift.monitor.cli.exits import Status
from whydrift.monitor.cli.terminal import reader_may_leave, silence_output, tell_error

__all__ = ["run"]

# What a full or failing device says; errors of files carry the file's name, and a sentence.
_OUTPUT_REFUSED = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF))


def run(argv: Sequence[str]) -> int:
    """Run a command line and return its exit status; never raises."""
    debug = "--debug" in argv
    # Our matrices are small: on a busy machine the threads of a BLAS wait for each other far longer
    # than they work. Read when numpy is loaded, which has not happened yet; what is set stays.
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    for stream in (sys.stdout, sys.stderr):
        _never_fail_to_encode(stream)
    with warnings.catch_warnings():
        if not debug:  # numerical warnings of libraries are no message to the user
            warnings.simplefilter("ignore")
        status: int = Status.NOTHING
        try:
            with reader_may_leave():
                status = _run(argv or ["--help"], debug)
        except OSError as error:  # of the last flush: all others are told in _run
            status = _no_output(error)
        except KeyboardInterrupt:
            tell_error("interrupted")
            return Status.INTERRUPTED
    return status


def _run(argv: Sequence[str], debug: bool) -> int:
    try:
        return _invoke(argv)
    except WhydriftError as error:
        if debug:
            traceback.print_exc()
        tell_error(str(error))
        return Status.WRONG_INPUT
    except MemoryError:
        if debug:
            traceback.print_exc()
        tell_error("not enough memory for these files. Give fewer rows or columns, or a sample")
        return Status.WRONG_INPUT
    except (BrokenPipeError, KeyboardInterrupt):
        raise
    except OSError as error:
        if error.errno not in _OUTPUT_REFUSED or error.filename is not None:
            return _told_bug(error, debug)
        return _no_output(error)
    except Exception as error:  # the one broad catch: a bug must not look like a finding
        return _told_bug(error, debug)


def _invoke(argv: Sequence[str]) -> int:
    import typer

    from whydrift.monitor.cli.app import app, check_verb
    from whydrift.monitor.cli.usage import UsageError, plain

    check_verb(argv)
    command = typer.main.get_command(app)
    try:
        with command.make_context("whydrift", list(argv)) as context:
            status = command.invoke(context)
    except typer.Exit as leaving:
        return leaving.exit_code
    except typer.Abort as error:
        raise KeyboardInterrupt from error
    except UsageError as error:
        raise plain(error) from error
    return Status.NOTHING if status is None else int(status)


def _no_output(error: OSError) -> int:
    silence_output()
    reason = (error.strerror or str(error)).lower()
    tell_error(f"standard output: it cannot be written ({reason}). Write to a place with room")
    return Status.WRONG_INPUT


def _told_bug(error: Exception, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    tell_error(_bug(error, debug))
    return Status.BUG


def _bug(error: Exception, debug: bool) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""  # noqa: PTH119
    again = "" if debug else " with the output of the same command and --debug"
    return clean(
        f"this is a bug in whydrift ({type(error).__name__}{place}: {error}). "
        f"Your data are as they were. Please report it{again}"
    )


def _never_fail_to_encode(stream: TextIO | None) -> None:
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")
