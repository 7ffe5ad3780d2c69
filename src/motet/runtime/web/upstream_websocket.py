"""A WebSocket to a server behind the proxy, whose refusals are passed on whatever they are."""

from __future__ import annotations

from typing import Any

from websockets.asyncio import client

_OLD, _NEW = b"HTTP/1.0 ", b"HTTP/1.1 "


class _UpstreamConnection(client.ClientConnection):
    """Takes refusals from servers that speak HTTP/1.0, too."""

    _beginning: bytes | None = b""

    def data_received(self, data: bytes) -> None:
        if self._beginning is not None:
            data = self._beginning + data
            if len(data) < len(_OLD):
                self._beginning = data
                return
            self._beginning = None
            if data.startswith(_OLD):
                data = _NEW + data[len(_OLD) :]
        super().data_received(data)


class _Connect(client.connect):
    def process_redirect(self, exc: Exception) -> Exception:
        """Where a client is sent is for the client."""
        return exc


def connect(uri: str, **options: Any) -> Any:
    """As websockets' own `connect`, but a redirect is a refusal as any other: `InvalidStatus`."""
    return _Connect(uri, create_connection=_UpstreamConnection, **options)
