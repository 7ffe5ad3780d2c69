"""Ports for what cannot have any port the system gives."""

from __future__ import annotations

import random
import socket

LOWEST, BEYOND = 10_000, 20_000
"""Above, web functions have theirs, and the system gives ports to whoever asks for any: before this one is used, perhaps."""
_dice = random.SystemRandom()
"""Processes of a parallel run may be given the same seed."""


def free_port() -> int:
    """A port of this machine that nobody has."""
    while True:
        port = _dice.randrange(LOWEST, BEYOND)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
