"""Where Motet keeps what outlives a run, and where the server that stays under there is found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def home_directory(env: Mapping[str, str]) -> Path:
    """Where Motet keeps what outlives a run: MOTET_HOME, or `.motet` in the user's home."""
    return Path(env.get("MOTET_HOME") or Path(env.get("HOME") or "~").expanduser() / ".motet").absolute()


def standing_directory(home: Path) -> Path:
    """Where the server that stays under a home keeps what is its own."""
    return home / "server"


def standing_socket(home: Path) -> Path:
    """Where that server listens."""
    return standing_directory(home) / "socket"
