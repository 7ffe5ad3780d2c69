"""Ports for what cannot have any port the system gives."""

from __future__ import annotations

import random
import socket

LOWEST, BEYOND = 10_000, 32_768
"""The system gives ports from the second on to whoever asks for any, and would give one away before it is used."""


def free_port() -> int:
    """A port of this machine that nobody has."""
    while True:
        port = random.randrange(LOWEST, BEYOND)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
