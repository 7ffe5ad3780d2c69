"""Web functions: what a decorator such as `@motet.asgi_app()` says of one."""

from __future__ import annotations

from typing import Literal

import msgspec

WebKind = Literal["asgi", "wsgi", "fastapi", "server"]


class WebSpec(msgspec.Struct, frozen=True, kw_only=True):
    """How HTTP requests reach a function.

    `kind`: what calling it gives: an ASGI app, a WSGI app, the answer to one request ("fastapi"), or nothing but a server
    on `port` ("server"). `label` is its place among URLs (default: made of the names of app and function).
    `redeliver_non_idempotent`: a request whose container died is sent to the app again whatever its method is.
    `startup_timeout`: seconds until the server on `port` must accept connections.
    """

    kind: WebKind
    label: str | None = None
    custom_domains: tuple[str, ...] = ()
    requires_proxy_auth: bool = False
    redeliver_non_idempotent: bool = False
    method: str = "GET"
    docs: bool = False
    port: int = 0
    startup_timeout: float = 5.0
