"""Where concrete parts are chosen: the only file that names a store or a backend."""

from __future__ import annotations

from motet.backends.process import ProcessBackend
from motet.server.config import ServerConfig
from motet.server.server import Server
from motet.store.memory import MemoryCallStore


def build_server(config: ServerConfig) -> Server:
    """A server on the running loop, with containers as processes of this machine and call records in memory."""
    return Server(config, ProcessBackend(env=config.base_env), MemoryCallStore())
