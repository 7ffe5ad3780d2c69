"""By which names a server may be asked: those that nobody else can point at it (DNS rebinding)."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection


class OwnNames:
    """Addresses, localhost, the machine's own name, and those that it was told (`MOTET_NAMES`)."""

    def __init__(self, names: Collection[str] = ()) -> None:
        self._names = {"localhost", socket.gethostname().lower(), *(name.lower().rstrip(".") for name in names)}

    def knows(self, host: str) -> bool:
        """Whether this is one, as a Host header has it."""
        name = hostname(host).lower().rstrip(".")
        if name in self._names:
            return bool(name)
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def hostname(host: str) -> str:
    """A Host header without its port.

    >>> hostname("[::1]:8420"), hostname("localhost:8420"), hostname("10.0.0.2")
    ('::1', 'localhost', '10.0.0.2')
    """
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
