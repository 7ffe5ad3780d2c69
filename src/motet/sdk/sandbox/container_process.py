"""`ContainerProcess`: a command that was started in a sandbox with `exec`."""

from __future__ import annotations

import sys
import threading
from typing import Generic, TypeVar

from motet.client.dual import Steps, dual, iterate
from motet.errors import InvalidError
from motet.model.sandbox import PtySize
from motet.sdk.call.handle import Handle
from motet.sdk.sandbox.io_streams import StreamReader, StreamWriter
from motet.sdk.sandbox.reached import Reached
from motet.sdk.sandbox.stream_type import StreamType
from motet.wire.sandbox_messages import AwaitProcess, EndProcess, ResizePty, Stream

T = TypeVar("T", str, bytes)


class ContainerProcess(Handle, Generic[T]):
    """A command in a sandbox, with its streams. `wait` gives its code: -1 if it ran longer than its `timeout`, 128 and the
    signal's number if it was killed by one."""

    def __init__(
        self,
        reached: Reached,
        process_id: str,
        *,
        text: bool,
        stdout: StreamType = StreamType.PIPE,
        stderr: StreamType = StreamType.PIPE,
    ) -> None:
        self._reached = reached
        self._process_id = process_id
        self._returncode: int | None = None
        self._stdout: StreamReader[T] = self._reader("stdout", text, stdout)
        self._stderr: StreamReader[T] = self._reader("stderr", text, stderr)
        self._stdin = StreamWriter(reached, process_id)

    def _reader(self, stream: Stream, text: bool, kind: StreamType) -> StreamReader[T]:
        if kind is StreamType.STDOUT:
            printed: StreamReader[bytes] = StreamReader(self._reached, self._process_id, stream, text=False)
            threading.Thread(target=_print, args=(printed,), name="motet-sandbox-output", daemon=True).start()
        is_kept = kind is StreamType.PIPE
        return StreamReader(self._reached, self._process_id, stream, text=text, is_kept=is_kept)

    @property
    def stdout(self) -> StreamReader[T]:
        """What it writes to stdout."""
        return self._stdout

    @property
    def stderr(self) -> StreamReader[T]:
        """What it writes to stderr; with a terminal (`pty=True`) that is part of stdout."""
        return self._stderr

    @property
    def stdin(self) -> StreamWriter:
        """What it gets."""
        return self._stdin

    @property
    def returncode(self) -> int:
        """Its code, once `wait` or `poll` has seen its end. Raises `InvalidError` before that."""
        if self._returncode is None:
            raise InvalidError(
                "You must call wait() before accessing the returncode. "
                "To poll for the status of a running process, use poll() instead."
            )
        return self._returncode

    @dual
    def wait(self) -> Steps[int]:
        """Its code, once it has ended. Raises `SandboxTerminatedError` if the sandbox ends before it."""
        code = yield from self._view(wait=True)
        assert code is not None
        return code

    @dual
    def poll(self) -> Steps[int | None]:
        """Its code; None while it runs."""
        return (yield from self._view(wait=False))

    @dual
    def terminate(self) -> Steps[None]:
        """Have it end: SIGTERM to it and what it started, SIGKILL 10 s later. `wait` tells when it has."""
        yield from self._reached.ask(EndProcess(self._process_id))

    @dual
    def resize(self, rows: int, columns: int) -> Steps[None]:
        """Tell it the size of its terminal (`pty=True`)."""
        yield from self._reached.ask(ResizePty(self._process_id, PtySize(rows, columns)))

    def _view(self, *, wait: bool) -> Steps[int | None]:
        if self._returncode is None:
            answer = yield from self._reached.ask(AwaitProcess(self._process_id, wait))
            self._returncode = answer.returncode
        return self._returncode

    def __repr__(self) -> str:
        return f"ContainerProcess(process_id={self._process_id!r})"


def _print(stream: StreamReader[bytes]) -> None:
    try:
        for chunk in iterate(stream.chunks()):
            sys.stdout.write(chunk.decode("utf-8", "replace"))
            sys.stdout.flush()
    except Exception as error:
        print(f"motet: the output of a command in a sandbox cannot be shown any more: {error}", file=sys.stderr)
