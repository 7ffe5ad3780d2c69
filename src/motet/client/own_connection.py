"""The connection that a process calls over: made when it is first needed, and by a forked process once more.

A fork copies the parent's connection without the thread that reads it, and what the child wrote to it would tear the
parent's messages apart.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable

from motet.client.connection import Connection
from motet.client.forks import in_forked_child
from motet.errors import ConnectionError


class OwnConnection:
    """Gives this process's connection, and a new one if that which it made has ended. `first`: the one that is there already.
    Thread-safe."""

    def __init__(self, connect: Callable[[], Connection], first: Connection | None = None) -> None:
        self._connect = connect
        self._connection = self._first = first
        self._lock = threading.RLock()  # a signal handler may call while the first call connects
        _all.add(self)

    def __call__(self) -> Connection:
        connection = self._connection
        if connection is None or (connection.ended and connection is not self._first):
            with self._lock:
                if self._connection is connection:
                    made = self._connect()
                    if self._connection is connection:  # a signal handler may have connected meanwhile
                        self._connection = made
                connection = self._connection
        assert connection is not None
        return connection

    def leave_to_parent(self) -> None:
        """In a forked process: this one's is the parent's. What has begun there ends here with a `ConnectionError`."""
        self._lock = threading.RLock()  # another thread of the parent's may have held it
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.leave_to_parent(
                ConnectionError(
                    f"this call was begun by the process that process {os.getpid()} was forked from, which alone can go on "
                    "with it; new calls work in both"
                )
            )


_all: weakref.WeakSet[OwnConnection] = weakref.WeakSet()


def _leave_all_to_parent() -> None:
    for each in list(_all):
        each.leave_to_parent()


in_forked_child(_leave_all_to_parent)
