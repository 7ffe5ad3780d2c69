"""Addresses of servers, as they are written: which make sense, and where they lead.

unix:/path                a socket of this machine
tls:host:port             TLS over TCP
wss://host[:port][/path]  a WebSocket over TLS, where only that gets through
tcp:127.0.0.1:port        plain TCP, on this machine alone; so is ws://127.0.0.1:port
insecure-tcp:host:port    plain TCP to another machine: whoever carries it reads tokens and arguments

Servers that share a database, of which one leads, are named together, with commas between their addresses.
"""

from __future__ import annotations

import os
import re

import msgspec

from motet.errors import InvalidError

DEFAULT_PORT = 7433
"""Where servers listen that are not told a port, and where they are looked for."""
WEBSOCKET_PATH = "/connect"
"""Where a server takes WebSockets."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")

ALONE = ("home", "embedded")
"""Words for servers that are not among several."""

_HOST = r"[A-Za-z0-9._:%-]+"
_KINDS = (
    "'home' (the server under MOTET_HOME), 'unix:PATH', 'tls:HOST:PORT', 'wss://HOST', 'tcp:127.0.0.1:PORT' or 'embedded' (one "
    "that ends with the program)"
)


class Endpoint(msgspec.Struct, frozen=True):
    """Where an address leads: a host and a port, and what is spoken there."""

    host: str
    port: int
    tls: bool
    websocket_path: str = ""
    """Not "": frames travel in a WebSocket, which is opened there."""

    @property
    def host_and_port(self) -> str:
        """As HTTP has it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parsed_address(text: str, said: str) -> str:
    """An address in the form in which it is kept. Raises `InvalidError`, in which `said` stands for it."""
    kind, _, where = text.partition(":")
    if kind == "unix" and where:
        return f"unix:{os.path.abspath(where)}"
    found = None if kind == "unix" else _endpoint(kind, where, text)
    if found is None:
        raise InvalidError(f"{said}: there is no such server; it must be {_KINDS}")
    if found.host not in LOOPBACK and kind in ("tcp", "ws"):
        secure = f"tls:{found.host_and_port}" if kind == "tcp" else f"wss://{found.host_and_port}"
        raise InvalidError(
            f"{said}: without TLS only a server of this machine is reached, for whoever carries it could read the token. Start "
            f"the server with --tls and use {secure}, or tunnel the port (ssh -L)"
        )
    if found.websocket_path:
        return f"{kind}://{found.host_and_port}{found.websocket_path}"
    return f"{kind}:{found.host_and_port}"


def parsed_addresses(text: str, said: str) -> tuple[str, ...]:
    """The same for one or several, with commas between them: those of servers that share a database."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > 1 and (alone := next((part for part in parts if part in ALONE), None)):
        raise InvalidError(
            f"{said}: {alone!r} stands alone; of several servers that share a database, each is named by its address, such as "
            "unix:PATH or tls:HOST:PORT"
        )
    found = tuple(
        parsed_address(part, said if len(parts) == 1 else f"{part or 'nothing'!r} in {said}") for part in parts
    )
    if len(set(found)) < len(found):
        raise InvalidError(f"{said}: the same address is named twice")
    return found


def endpoint(address: str) -> Endpoint:
    """Where an address that is none of a Unix socket leads. Raises `ValueError`."""
    kind, _, where = address.partition(":")
    found = _endpoint(kind, where, address)
    if found is None:
        raise ValueError("addresses look like 'unix:/path', 'tls:host:port', 'wss://host' or 'tcp:127.0.0.1:port'")
    return found


def _endpoint(kind: str, where: str, text: str) -> Endpoint | None:
    if kind in ("ws", "wss"):
        return _of_url(text)
    if kind not in ("tcp", "tls", "insecure-tcp"):
        return None
    if (where.startswith("[") and where.endswith("]")) or ":" not in where:
        host, port = where, str(DEFAULT_PORT)
    else:
        host, _, port = where.rpartition(":")
    return _checked(host, port, tls=kind == "tls")


def _of_url(text: str) -> Endpoint | None:
    from urllib.parse import urlsplit  # late: most servers are reached in other ways

    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        return None
    if url.username is not None or url.query or url.fragment:  # a token in a URL ends up in logs
        return None
    tls = url.scheme == "wss"
    path = WEBSOCKET_PATH if url.path in ("", "/") else url.path
    return _checked(url.hostname or "", str(port or (443 if tls else 80)), tls=tls, path=path)


def _checked(host: str, port: str, *, tls: bool, path: str = "") -> Endpoint | None:
    if ":" in host and not path and not host.startswith("["):
        return None  # of an IPv6 address without brackets nobody knows where it ends
    host = host.removeprefix("[").removesuffix("]")
    if not re.fullmatch(_HOST, host) or not port.isdecimal() or not 0 < int(port) < 65536:
        return None
    return Endpoint(host, int(port), tls, path)
