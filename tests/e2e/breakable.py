"""A way to a server that can be broken: what comes in at its port goes on to the server, until it is cut."""

from __future__ import annotations

import contextlib
import socket
import threading


class Breakable:
    """Listens at `port` of 127.0.0.1."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.connections = 0
        """That have come in."""
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._start(self._accept)

    def cut(self) -> None:
        """Break all connections that are there now, at whatever byte they are."""
        with self._lock:
            for sock in self._open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let nobody through any more."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self.cut()
        for thread in self._threads:
            thread.join()
        self._listening.close()
        for sock in self._open:
            sock.close()

    def _start(self, work: object, *args: socket.socket) -> None:
        thread = threading.Thread(target=work, args=args)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._server_port))
            with self._lock:
                self._open += [near, far]
                self.connections += 1
            self._start(_forward, near, far)
            self._start(_forward, far, near)


def _forward(here: socket.socket, there: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := here.recv(64 * 1024):
            there.sendall(data)
    for sock in (here, there):
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
