"""Who may use the dashboard: who has logged in, with pages that it served itself, asked for by the name of this machine.

Without the cookie of a login nothing is answered, to whoever else uses this machine and to containers on it. And three ways in
are closed. A page of another site that had its name point here (DNS rebinding) comes with that name as Host.
A form or script of another site that sends a command lacks a header, or has another Origin. Text of a user's program that
looks like a script is not one: pages only ever show text, and the policy below allows no script but those served here.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import html
from collections.abc import Awaitable, Callable, Mapping, Sequence
from urllib.parse import parse_qs, quote

from motet.errors import ConnectionError
from motet.server.access.rights import LOOK, OPERATE, Right
from motet.server.access.tokens import PREFIX
from motet.server.dashboard.logins import Login, Logins
from motet.server.http.own_cookies import DASHBOARD
from motet.server.http.own_names import OwnNames
from motet.wire.asgi import AsgiMessage, Receive, Scope, Send

Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

COMMAND_HEADER = b"x-motet-dashboard"
CODE = "code"
"""Names, in the query of a page's URL, the code for a login."""
NOT_LOGGED_IN = (
    "not logged in, or the code in this URL was used or is older than a minute: `motet dashboard` prints a new URL, on the "
    "machine and with the MOTET_HOME of the program that serves this. Of a server that stays, /login takes a token"
)
_LOGIN_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:24rem;margin:15vh auto;padding:0 1rem;color-scheme:light dark}"
    "label{display:block}input{display:block;box-sizing:border-box;width:100%;margin:.25rem 0 .75rem;padding:.4rem}"
    "input,button{font:inherit}"
    "button{padding:.4rem 1rem}code{white-space:nowrap}p{color:GrayText}p[role=alert]{color:inherit;font-weight:600}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_LOGIN_STYLE.encode()).digest()).decode()
_MAY_POST_HERE = (
    b"content-security-policy",
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; frame-ancestors 'none'".encode(),
)
"""For the one page with a form."""
LOGIN, LOGOUT = "/login", "/logout"
PRINCIPAL = "motet.principal"
"""In the scope of a request that was let through: whose it is."""
LOOK_INTERVAL = 5.0
"""Seconds between two looks at whether somebody's token has expired, while something is answered."""
FORM = b"application/x-www-form-urlencoded"
MAX_FORM_BYTES = 4096
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
    """An ASGI app that refuses requests that `refusal` finds fault with and those of nobody who has logged in with the right to
    them, lets in and out, and adds `HEADERS` to every answer."""

    def __init__(self, app: Asgi, names: OwnNames, logins: Logins) -> None:
        self._app = app
        self._names = names
        self._logins = logins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: AsgiMessage) -> None:
            if message["type"] == "http.response.start":
                given = list(message.get("headers", ()))
                names = {name for name, _ in given}
                message = {**message, "headers": [*given, *(each for each in HEADERS if each[0] not in names)]}
            await send(message)

        if scope["type"] != "http":
            return
        query = parse_qs(scope["query_string"].decode("latin-1"))
        fault = token_in_url(query) or refusal(scope["method"], dict(scope["headers"]), self._names, scope["path"])
        if fault is not None:
            await send_refusal(send_guarded, fault)
            return
        name = f"{DASHBOARD}-{scope['server'][1] if scope.get('server') else 0}"
        code = query.get(CODE)
        shown = cookies(scope["headers"], name)
        login = next((found for token in shown if (found := self._logins.find(token)) is not None), None)
        if scope["path"] == LOGIN and scope["method"] == "POST":
            await self._log_in(scope, receive, send_guarded, name)
        elif code is not None and scope["method"] == "GET" and (token := self._logins.exchange(code[-1])):
            await _send_on(send_guarded, scope["path"], _cookie(scope, name, token))
        elif login is None:
            await self._ask_to_log_in(scope, send_guarded)
        elif scope["path"] == LOGOUT and scope["method"] == "POST":
            for token in shown:
                self._logins.log_out(token)
            await _send_on(send_guarded, "/", f"{_cookie(scope, name, '')}; Max-Age=0")
        elif code is not None:
            await _send_on(send_guarded, scope["path"])
        elif (missing := _missing_right(scope["method"], login.principal.rights)) is not None:
            await send_refusal(send_guarded, f"{missing}; {login.principal.name} may: {login.principal.rights}")
        else:
            scope[PRINCIPAL] = login.principal
            await self._answer(login, self._app(scope, receive, send_guarded))

    async def _answer(self, login: Login, answer: Awaitable[None]) -> None:
        """As long as the login goes on: answers may be streams that have no end."""
        task = asyncio.ensure_future(answer)
        login.answering.add(task)
        try:
            while not task.done():
                if not self._logins.goes_on(login):
                    task.cancel()
                await asyncio.wait({task}, timeout=None if login.principal.until is None else LOOK_INTERVAL)
            if not task.cancelled():
                task.result()
        finally:
            login.answering.discard(task)
            task.cancel()

    async def _log_in(self, scope: Scope, receive: Receive, send: Send, name: str) -> None:
        shown = parse_qs(await _form(receive)).get("token", [""])[-1].strip()
        try:
            token = self._logins.log_in(shown)
        except ConnectionError as error:
            await _send_login_page(send, str(error))
            return
        await _send_on(send, "/", _cookie(scope, name, token))

    async def _ask_to_log_in(self, scope: Scope, send: Send) -> None:
        accepted = dict(scope["headers"]).get(b"accept", b"")
        if self._logins.takes_tokens and scope["method"] == "GET" and b"text/html" in accepted:
            await _send_login_page(send, "")
        else:
            await send_refusal(send, NOT_LOGGED_IN, 401)


def _missing_right(method: str, rights: Right) -> str | None:
    """What keeps somebody with these rights from asking this; None: nothing does."""
    if method == "POST":
        return None if rights & OPERATE else "this needs the right to operate"
    return None if rights & LOOK else "the dashboard needs the right to look"


def token_in_url(query: Mapping[str, Sequence[str]]) -> str | None:
    """What is wrong with a query that has a token in it; None if it has none."""
    if any(value.startswith(PREFIX) and len(value) > len(PREFIX) for values in query.values() for value in values):
        return (
            "a token in a URL is refused: by now it is in histories and logs. Revoke it (`motet token revoke`), make another, "
            "and log in with that"
        )
    return None


def refusal(method: str, headers: dict[bytes, bytes], names: OwnNames, path: str = "/") -> str | None:
    """What is wrong with a request; None for nothing."""
    asked = headers.get(b"host", b"").decode("latin-1")
    if not names.knows(asked):
        return f"the dashboard is not served as {asked!r}: open it by an IP address or as localhost, or name it in MOTET_NAMES"
    if method in ("GET", "HEAD"):
        return None
    if method == "POST":
        return _fault_of_login(headers, asked) if path == LOGIN else _fault_of_command(headers, asked)
    return f"{method} means nothing here"


def _fault_of_login(headers: dict[bytes, bytes], asked: str) -> str | None:
    if headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != FORM:
        return f"a login is a form, of the type {FORM.decode()}"
    return _fault_of_origin(headers, asked)


def _fault_of_command(headers: dict[bytes, bytes], asked: str) -> str | None:
    if COMMAND_HEADER not in headers:
        return f"commands need the header {COMMAND_HEADER.decode()}: 1"
    if headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != b"application/json":
        return "commands need a body of the type application/json"
    return _fault_of_origin(headers, asked)


def _fault_of_origin(headers: dict[bytes, bytes], asked: str) -> str | None:
    origin = headers.get(b"origin")
    if origin is not None and origin.decode("latin-1").partition("://")[2] != asked:
        return f"a page of {origin.decode('latin-1')!r} may not send commands here"
    return None


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


def _cookie(scope: Scope, name: str, token: str) -> str:
    secure = "; Secure" if scope.get("scheme") == "https" else ""
    return f"{name}={token}; HttpOnly; SameSite=Strict; Path=/{secure}"


async def _form(receive: Receive) -> str:
    """A form's fields; "" if they are too many."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_FORM_BYTES:
            return ""
        if not message.get("more_body", False):
            return body.decode("latin-1")


async def _send_login_page(send: Send, fault: str) -> None:
    told = f"<p role=alert>{html.escape(fault)}</p>" if fault else ""
    body = (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>Motet: log in</title><style>{_LOGIN_STYLE}</style><h1>Motet</h1>"
        f"{told}<form method=post action={LOGIN}><label>Token <input type=password name=token autocomplete=current-password "
        "required autofocus></label> <button>Log in</button></form>"
        "<p><code>motet token new NAME --right look</code> makes one; <code>--right operate</code> for commands.</p></html>"
    ).encode()
    headers = [(b"content-type", b"text/html; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    headers += [(b"cache-control", b"no-store"), (b"www-authenticate", b"Motet-Code"), _MAY_POST_HERE]
    await send({"type": "http.response.start", "status": 401, "headers": headers})
    await send({"type": "http.response.body", "body": body})
