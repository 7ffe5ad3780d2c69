"""A way between two processes that a test can cut, and heal."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

CHUNK = 1 << 16
LOOK_INTERVAL = 0.02


class Way:
    """Passes on what is said between those who come to `address` and whoever listens at `target`: a path, or a port of this
    machine. Both are of one kind."""

    def __init__(self, target: Path | int, path: Path | None = None) -> None:
        self._target = target
        self._is_cut = self._is_silent = self._is_closed = False
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._lock = threading.Lock()
        self._selector = selectors.DefaultSelector()
        self._listening = socket.socket(socket.AF_UNIX if path is not None else socket.AF_INET)
        self._listening.bind(str(path) if path is not None else ("127.0.0.1", 0))
        if path is not None:
            path.chmod(0o777)
        self._listening.listen(128)
        self._selector.register(self._listening, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._pass_on, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._listening.getsockname()[1])

    def cut(self, *, silent: bool) -> None:
        """Nothing passes any more. `silent`: as if packets vanished, so that nobody is told; else connections are closed."""
        with self._lock:
            self._is_cut, self._is_silent = True, silent
            if not silent:
                self._drop_all()

    def heal(self) -> None:
        """New connections pass. Those that were silent are reset, as by whoever has forgotten them."""
        with self._lock:
            self._is_cut = False
            self._drop_all()

    def close(self) -> None:
        self._is_closed = True
        self._thread.join()
        self._drop_all()
        self._listening.close()
        self._selector.close()

    def _pass_on(self) -> None:
        while not self._is_closed:
            for key, _ in self._selector.select(LOOK_INTERVAL):
                with self._lock:
                    if key.fileobj is self._listening:
                        self._accept()
                    elif isinstance(key.fileobj, socket.socket):
                        self._pass_from(key.fileobj)
            if self._is_cut:  # what waits to be read is looked at again and again
                threading.Event().wait(LOOK_INTERVAL)

    def _accept(self) -> None:
        near, _ = self._listening.accept()
        if self._is_cut and not self._is_silent:
            near.close()
            return
        far = socket.socket(self._listening.family)
        self._pairs[near], self._pairs[far] = far, near
        if self._is_cut:  # the system has taken the connection: nobody will answer
            return
        try:
            far.connect(str(self._target) if isinstance(self._target, Path) else ("127.0.0.1", self._target))
        except OSError:
            self._drop(near)
            return
        for each in (near, far):
            self._selector.register(each, selectors.EVENT_READ)

    def _pass_from(self, sock: socket.socket) -> None:
        if self._is_cut or sock not in self._pairs:
            return
        try:
            data = sock.recv(CHUNK)
            if data:
                self._pairs[sock].sendall(data)
                return
        except OSError:
            pass
        self._drop(sock)

    def _drop(self, sock: socket.socket) -> None:
        for each in (sock, self._pairs[sock]):
            del self._pairs[each]
            with contextlib.suppress(KeyError):
                self._selector.unregister(each)
            each.close()

    def _drop_all(self) -> None:
        while self._pairs:
            self._drop(next(iter(self._pairs)))


@contextlib.contextmanager
def way(target: Path | int, path: Path | None = None) -> Iterator[Way]:
    """One that is closed at the end."""
    made = Way(target, path)
    try:
        yield made
    finally:
        made.close()
