"""This terminal for a command in a sandbox: what is typed goes there, what it writes comes here."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import termios
import threading
import tty
from collections.abc import Iterator

from motet.client.dual import iterate
from motet.errors import Error
from motet.model.sandbox import PtySize
from motet.sdk.sandbox.container_process import ContainerProcess
from motet.sdk.sandbox.io_streams import StreamReader

READ_BYTES = 64 * 1024


def is_terminal() -> bool:
    """Whether somebody types and looks here."""
    return os.isatty(0) and os.isatty(1)


def terminal_size() -> PtySize:
    """Of this terminal."""
    try:
        found = os.get_terminal_size(1)
    except OSError:
        return PtySize()
    return PtySize(max(1, found.lines), max(1, found.columns))


def attach(process: ContainerProcess[bytes], *, terminal: bool) -> int:
    """Be its stdin, stdout and stderr until it ends; its code. With `terminal` it has one, which is this one: every key goes to
    it. Otherwise Ctrl-C ends it."""
    with _raw() if terminal else contextlib.nullcontext():
        threading.Thread(target=_pump_input, args=(process,), name="motet-attach-input", daemon=True).start()
        errors = threading.Thread(
            target=_pump_output, args=(process.stderr, 2), name="motet-attach-errors", daemon=True
        )
        errors.start()
        if terminal:
            _follow_size(process)
        try:
            _pump_output(process.stdout, 1)
            errors.join()
            return process.wait()
        except KeyboardInterrupt:
            process.terminate()
            raise


@contextlib.contextmanager
def _raw() -> Iterator[None]:
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


def _follow_size(process: ContainerProcess[bytes]) -> None:
    def tell(*_: object) -> None:
        size = terminal_size()

        def resize() -> None:
            with contextlib.suppress(Error):
                process.resize(size.rows, size.columns)

        # Not here: the thread that the signal interrupts may be the one that sends.
        threading.Thread(target=resize, daemon=True).start()

    signal.signal(signal.SIGWINCH, tell)


def _pump_input(process: ContainerProcess[bytes]) -> None:
    with contextlib.suppress(Error, OSError, ValueError):  # it takes no more, or has ended
        while data := os.read(0, READ_BYTES):
            process.stdin.write(data)
            process.stdin.drain()
        process.stdin.write_eof()
        process.stdin.drain()


def _pump_output(stream: StreamReader[bytes], descriptor: int) -> None:
    for chunk in iterate(stream.chunks()):
        view = memoryview(chunk)
        while view:
            view = view[os.write(descriptor, view) :]
    sys.stdout.flush()
