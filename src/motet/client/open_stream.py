"""From an address to a stream that leads there."""

from __future__ import annotations

import socket

from motet.client.addresses import Endpoint, endpoint
from motet.client.sockets import connected_socket, set_buffers
from motet.client.streams import ByteStream, SocketStream, keep_alive
from motet.errors import ConnectionError

CONNECT_TIMEOUT = 30.0
"""Seconds that each step of getting there may take."""


def open_stream(address: str, fingerprint: str = "", timeout: float | None = None) -> ByteStream:
    """A stream to the server at this address, whose key has this fingerprint, or one of these, if some are given. `timeout`: of
    each step of getting there; None: the usual. Raises `ConnectionError` naming the address, or `ServiceError` if a package is
    missing."""
    try:
        if address.startswith(("unix:", "tcp:")):
            sock = connected_socket(address, timeout)
            set_buffers(sock)
            return SocketStream(sock)
        return _far(endpoint(address), fingerprint, CONNECT_TIMEOUT if timeout is None else timeout)
    except (OSError, ValueError, ConnectionError) as error:
        raise ConnectionError(f"no connection to the server at {address}: {error}") from error


def _far(to: Endpoint, fingerprint: str, timeout: float) -> ByteStream:
    # Late: most servers are on this machine.
    from motet.client.proxy import connect_through, proxy_for
    from motet.client.tls import TlsStream
    from motet.client.websocket import WebSocketStream

    proxy = proxy_for(to.host) if to.tls and to.websocket_path else ""
    if proxy:
        sock = connect_through(proxy, to.host, to.port, timeout)
    else:
        sock = socket.create_connection((to.host, to.port), timeout)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        keep_alive(sock)
        set_buffers(sock)
        stream: ByteStream = TlsStream(sock, to.host, fingerprint) if to.tls else SocketStream(sock)
        if to.websocket_path:
            stream = WebSocketStream(stream, to.host_and_port, to.websocket_path)
        stream.wait(None)
        if to.websocket_path:
            stream.expect_bytes(0)
    except BaseException:
        sock.close()
        raise
    return stream
