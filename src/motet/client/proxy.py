"""Proxies that stand between a client and the network: a connection through one, asked for with CONNECT."""

from __future__ import annotations

import base64
import socket
from urllib.parse import unquote, urlsplit

from motet.errors import ConnectionError


def proxy_for(host: str) -> str:
    """The proxy that the environment has for HTTPS to this host (HTTPS_PROXY, NO_PROXY); "": none."""
    # Late: it takes a while to import.
    from urllib.request import getproxies, proxy_bypass

    proxy = getproxies().get("https", "")
    return "" if not proxy or proxy_bypass(host) else proxy


def connect_through(proxy: str, host: str, port: int, timeout: float) -> socket.socket:
    """A socket that leads to this host and port by way of a proxy. Raises `ConnectionError` or `OSError`."""
    from http.client import HTTPConnection, HTTPException

    url = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    shown = f"{url.hostname}:{url.port or 80}"
    if url.scheme != "http" or not url.hostname:
        raise ConnectionError(f"the proxy {shown} (HTTPS_PROXY) is none of HTTP: only http://host:port is known here")
    headers = {}
    if url.username is not None:
        credentials = f"{unquote(url.username)}:{unquote(url.password or '')}".encode()
        headers["Proxy-Authorization"] = f"Basic {base64.b64encode(credentials).decode()}"
    connection = HTTPConnection(url.hostname, url.port or 80, timeout=timeout)
    connection.set_tunnel(host, port, headers)
    try:
        connection.connect()
    except (OSError, HTTPException) as error:
        connection.close()
        raise ConnectionError(f"the proxy {shown} (HTTPS_PROXY) does not lead there: {error}") from error
    return connection.sock
