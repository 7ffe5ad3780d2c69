"""Who may use the dashboard: who has logged in, with pages that it served itself, asked for by the name of this machine.

Without the cookie of a login nothing is answered, to whoever else uses this machine and to containers on it. And three ways in
are closed. A page of another site that had its name point here (DNS rebinding) comes with that name as Host.
A form or script of another site that sends a command lacks a header, or has another Origin. Text of a user's program that
looks like a script is not one: pages only ever show text, and the policy below allows no script but those served here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs, quote

from motet.server.dashboard.logins import Logins
from motet.server.http.own_cookies import DASHBOARD
from motet.wire.asgi import AsgiMessage, Receive, Scope, Send

Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

COMMAND_HEADER = b"x-motet-dashboard"
CODE = "code"
"""Names, in the query of a page's URL, the code for a login."""
NOT_LOGGED_IN = (
    "not logged in, or the code in this URL was used or is older than a minute: `motet dashboard` prints a new URL, on the "
    "machine and with the MOTET_HOME of the program that serves this"
)
MAX_BODY_BYTES = 64 * 1024
HEADERS = [
    (
        b"content-security-policy",
        (
            b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
            b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
]


class Guard:
    """An ASGI app that refuses requests that `refusal` finds fault with and those of nobody who has logged in, and adds
    `HEADERS` to every answer."""

    def __init__(self, app: Asgi, host: str, logins: Logins) -> None:
        self._app = app
        self._host = host
        self._logins = logins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: AsgiMessage) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *HEADERS]}
            await send(message)

        if scope["type"] != "http":
            return
        fault = refusal(scope["method"], dict(scope["headers"]), self._host)
        if fault is not None:
            await send_refusal(send_guarded, fault)
            return
        name = f"{DASHBOARD}-{scope['server'][1] if scope.get('server') else 0}"
        code = parse_qs(scope["query_string"].decode("latin-1")).get(CODE)
        if code is not None and scope["method"] == "GET" and (token := self._logins.exchange(code[-1])):
            cookie = f"{name}={token}; HttpOnly; SameSite=Strict; Path=/"
            await _send_on(send_guarded, scope["path"], cookie)
        elif not any(self._logins.knows(token) for token in cookies(scope["headers"], name)):
            await send_refusal(send_guarded, NOT_LOGGED_IN, 401)
        elif code is not None:
            await _send_on(send_guarded, scope["path"])
        else:
            await self._app(scope, receive, send_guarded)


def refusal(method: str, headers: dict[bytes, bytes], host: str) -> str | None:
    """What is wrong with a request; None for nothing. `host`: the address that the dashboard listens on."""
    asked = headers.get(b"host", b"").decode("latin-1")
    if not is_own_name(hostname(asked), host):
        return f"the dashboard is not served as {asked!r}: open it by an IP address or as localhost"
    if method in ("GET", "HEAD"):
        return None
    if method == "POST":
        return _fault_of_command(headers, asked)
    return f"{method} means nothing here"


def _fault_of_command(headers: dict[bytes, bytes], asked: str) -> str | None:
    if COMMAND_HEADER not in headers:
        return f"commands need the header {COMMAND_HEADER.decode()}: 1"
    if headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != b"application/json":
        return "commands need a body of the type application/json"
    origin = headers.get(b"origin")
    if origin is not None and origin.decode("latin-1").partition("://")[2] != asked:
        return f"a page of {origin.decode('latin-1')!r} may not send commands here"
    return None


def hostname(host: str) -> str:
    """A Host header without its port.

    >>> hostname("[::1]:8420"), hostname("localhost:8420"), hostname("10.0.0.2")
    ('::1', 'localhost', '10.0.0.2')
    """
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def is_own_name(name: str, host: str) -> bool:
    """Whether this machine is asked for by a name that nobody else can point at it."""
    name = name.lower().rstrip(".")
    if name in ("localhost", host.lower()):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def cookies(headers: list[tuple[bytes, bytes]], name: str) -> list[str]:
    """The values of a cookie in a request; there may be more than one."""
    pairs = [pair.strip() for key, value in headers if key == b"cookie" for pair in value.decode("latin-1").split(";")]
    return [value for key, _, value in (pair.partition("=") for pair in pairs) if key == name]


async def _send_on(send: Send, path: str, cookie: str | None = None) -> None:
    """Send a browser on to the same page without the code in its URL."""
    where = "/" + path.lstrip("/")  # never another host
    headers = [(b"location", quote(where).encode()), (b"cache-control", b"no-store"), (b"content-length", b"0")]
    if cookie is not None:
        headers.append((b"set-cookie", cookie.encode()))
    await send({"type": "http.response.start", "status": 303, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def send_refusal(send: Send, fault: str, status: int = 403) -> None:
    """Answer with a text."""
    body = f"{fault}\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    headers += [(b"cache-control", b"no-store"), *([(b"www-authenticate", b"Motet-Code")] if status == 401 else [])]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
