"""Where concrete parts are chosen: the only file that names a store or a backend."""

from __future__ import annotations

from motet.backends.base import Backend
from motet.backends.process import ProcessBackend
from motet.server.config import ServerConfig
from motet.server.server import Server
from motet.store.memory import MemoryCallStore


def build_server(config: ServerConfig, backend: Backend | None = None) -> Server:
    """A server on the running loop, with containers as processes of this machine (or on `backend`) and call records in
    memory."""
    return Server(config, backend or ProcessBackend(env=config.base_env), MemoryCallStore())
