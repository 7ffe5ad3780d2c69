"""Where requests come in: a port for each web function, or one address for all; and so their URLs."""

from __future__ import annotations

import socket
import zlib
from collections.abc import Callable, Iterable, Iterator

from motet.server.http.config import WebConfig
from motet.server.http.listener import Listener, first_socket, listening_socket

DERIVED_PORTS = range(20000, 30000)
"""Ports that are made from labels, so that a program has the same URLs the next time: below those that systems give out."""
NEXT_PORTS = 100
"""How many ports after the one that was asked for are tried for further functions."""


class Doors:
    """Where a server's web functions are reached, by label. Each has a port of its own, at which everything is its own: what
    a page links to from its root would be nobody's under the label's path.

    A port that is configured belongs to the first function, and is where labels are paths (and custom domains lead) too. A
    `url` that is configured says where all of them are: its owner has to bring requests here.
    """

    def __init__(self, config: WebConfig, listener: Listener) -> None:
        self._config = config
        self._listener = listener
        self._shared: str | None = None
        """The URL of the address for all, if there is one; `_shared_port` and the label that has it to itself."""
        self._shared_port = 0
        self._first: str | None = None
        self._own: dict[str, tuple[int, str]] = {}
        self._labels: dict[int, str] = {}

    def open(self, labels: Iterable[str]) -> dict[str, str]:
        """The URLs of functions with these labels, without a slash at their end; those that are open already keep theirs.
        Raises `ServiceError`."""
        self._listener.start()
        if self._shared is None and (self._config.url is not None or self._config.port):
            listening = first_socket(self._config.host, self._config.port)
            self._shared_port = listening.getsockname()[1]
            self._shared = self._listener.add(listening)
        return {label: self._open(label) for label in labels}

    def _open(self, label: str) -> str:
        if self._config.url is not None:
            url = self._config.url.rstrip("/")
            return url.replace("{label}", label) if "{label}" in url else f"{url}/{label}"
        if self._shared is not None and self._first in (None, label):
            self._first = label
            return self._shared
        if label not in self._own:
            listening = self._socket(label)
            port = listening.getsockname()[1]
            self._own[label] = port, self._listener.add(listening)
            self._labels[port] = label
        return self._own[label][1]

    def _socket(self, label: str) -> socket.socket:
        for port in self._candidates(label):
            try:
                return listening_socket(self._config.host, port)
            except OSError:
                continue  # somebody has it
        return first_socket(self._config.host, 0)

    def _candidates(self, label: str) -> Iterator[int]:
        if self._shared_port:
            yield from range(self._shared_port + 1, min(self._shared_port + 1 + NEXT_PORTS, 65536))
        else:
            yield DERIVED_PORTS[zlib.crc32(label.encode()) % len(DERIVED_PORTS)]

    def close(self, is_gone: Callable[[str], bool]) -> None:
        """Close those whose functions are gone."""
        for label in [label for label in self._own if is_gone(label)]:
            port, _ = self._own.pop(label)
            del self._labels[port]
            self._listener.remove(port)
        if self._first is not None and is_gone(self._first):
            self._first = None  # the next function to come has the port that was asked for

    def owner(self, port: int | None) -> str | None:
        """The label that a port belongs to, whatever is asked for there."""
        return None if port is None else self._labels.get(port)

    def first(self, port: int | None) -> str | None:
        """The label that gets what is for no label by its name at this port."""
        return self._first if port == self._shared_port else None
