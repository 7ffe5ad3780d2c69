"""Bytes that containers write, cut into lines."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from motet.backends.base import Stream
from motet.model.function import FunctionSpec
from motet.server.apps import RunningApp
from motet.wire.messages import OutputLines

MAX_LINE_BYTES = 64 * 1024
KEPT_ERROR_LINES = 12

Show = Callable[[Callable[[RunningApp, FunctionSpec], OutputLines]], None]


class ContainerOutput:
    """Joins chunks to lines, per stream; a line without an end is shown when it is long or the container has ended."""

    def __init__(self, container_id: str, show: Show) -> None:
        self._container_id = container_id
        self._show = show
        self._partial: dict[Stream, bytes] = {}
        self.last_errors: deque[str] = deque(maxlen=KEPT_ERROR_LINES)

    def written(self, stream: Stream, data: bytes) -> None:
        """More bytes of a stream."""
        *lines, rest = (self._partial.pop(stream, b"") + data).split(b"\n")
        if len(rest) > MAX_LINE_BYTES:
            lines.append(rest)
            rest = b""
        if rest:
            self._partial[stream] = rest
        if lines:
            self._emit(stream, lines)

    def close(self) -> None:
        """Nothing more comes."""
        for stream, rest in self._partial.items():
            self._emit(stream, [rest])
        self._partial.clear()

    def _emit(self, stream: Stream, raw: list[bytes]) -> None:
        lines = [line.decode("utf-8", "replace").rstrip("\r") for line in raw]
        if stream == "stderr":
            self.last_errors.extend(lines)
        self._show(lambda app, spec: OutputLines(app.app_id, spec.name, self._container_id, stream, lines))
