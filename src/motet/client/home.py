"""Where Motet keeps what outlives a run, and where the server that stays under there is found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from motet.client.settings import settings


def home_directory(env: Mapping[str, str]) -> Path:
    """Where Motet keeps what outlives a run: MOTET_HOME, what the user's profile says, or `.motet` in the user's home."""
    said = settings(env)["home"].value
    if said.startswith("~/") and env.get("HOME"):
        said = env["HOME"] + said[1:]
    return Path(said).expanduser().absolute()


def standing_directory(home: Path) -> Path:
    """Where the server that stays under a home keeps what is its own."""
    return home / "server"


def containers_socket(directory: Path) -> Path:
    """Where containers of the server with this directory connect."""
    return directory / "containers"


def standing_socket(home: Path) -> Path:
    """Where that server listens."""
    return standing_directory(home) / "socket"
