"""The standard streams of a command: made usable at its start, and what is said when stdout cannot take what it prints."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import select
import sys
from collections.abc import Iterator

import click

from motet.client.descriptors import fill_standard_descriptors

FAILED = 1
_ERRORS_OF_WRITES = (errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EDQUOT, errno.EBADF, errno.EAGAIN)


class OutputFailed(click.ClickException):
    """Stdout took no more; it is given up. Says so on one line."""


def prepare_streams() -> None:
    """Have all three streams, as /dev/null if need be, and write what their encoding lacks as `\\u65e5`."""
    fill_standard_descriptors()
    # Python has None for a stream that was closed when it started.
    sys.stdin = sys.stdin or open(os.devnull)  # noqa: SIM115
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def writing_stdout() -> Iterator[None]:
    """Around what a command prints. Raises `OutputFailed`, or `BrokenPipeError` when whoever reads it has gone."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _given_up(error) from error


def is_of_stdout(error: OSError) -> bool:
    """Whether an error that a write raised was that of stdout: it has it still."""
    if error.errno == errno.EPIPE:
        poll = select.poll()
        poll.register(1, 0)
        return any(event & select.POLLERR for _, event in poll.poll(0))
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as again:
        return getattr(again, "errno", None) == error.errno
    return False


def flushed(status: int | None) -> int | None:
    """The status to end with, once all that was printed has left. A reader that is gone makes no noise."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _abandon(1)
        return status or FAILED
    except OSError as error:
        _given_up(error).show()
        return status or FAILED
    except ValueError:
        pass  # the program has closed it
    return status


def failed_to_print(error: OSError) -> int:
    """The status to end with after an error that escaped from a command, if a write to stdout raised it; 0 if not. Without a
    buffer (`python -u`) stdout has kept nothing to try again: then its errors are told from others by what they say."""
    if (status := flushed(0)) or error.filename is not None or error.errno not in _ERRORS_OF_WRITES:
        return status or 0
    _given_up(error).show()
    return FAILED


def give_up_stderr_if_broken() -> None:
    """Nobody reads it: that must not change the exit status, which the interpreter would do at its end."""
    try:
        sys.stderr.flush()
    except OSError:
        _abandon(2)
    except ValueError:
        pass  # the program has closed it


def _given_up(error: OSError) -> OutputFailed:
    _abandon(1)
    return OutputFailed(f"cannot write to stdout: {error.strerror or error}")


def _abandon(descriptor: int) -> None:
    """What still waits to be written there goes nowhere, without another error at the interpreter's end."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)
