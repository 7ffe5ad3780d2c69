"""`@motet.asgi_app`, `@motet.fastapi_endpoint`, `@motet.wsgi_app`, `@motet.web_server`: functions that requests reach."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Never, Unpack

from motet.context.notices import warn_user
from motet.errors import DeprecationError, InvalidError
from motet.model.web import WebSpec
from motet.sdk.declare.partials import PartialFunction
from motet.sdk.declare.rules import refuse
from motet.sdk.options.checks import is_int, refuse_positional
from motet.sdk.options.keyword import read
from motet.sdk.options.keywords import ENDPOINT, WEB, WEB_SERVER, EndpointOptions, WebOptions, WebServerOptions

Decorator = Callable[[Callable[..., Any]], Any]


def asgi_app(*positional: Never, **options: Unpack[WebOptions]) -> Decorator:
    """Serve the ASGI app (FastAPI, Starlette, Django ...) that the function returns; `f.get_web_url()` is its URL.

    The function is called once per container, when it starts. Goes under `@app.function`, or on a method of an `@app.cls`
    class, with `@motet.concurrent` above or below: each request is one input. `label` names the URL, and
    `custom_domains` are host names that lead here too. With `requires_proxy_auth` only requests with a proxy token are let
    in (docs/guide/web.md); others get 401 and are no inputs. A request whose container died before its
    response began goes to the app again only if its method is idempotent (not POST or PATCH), or
    `redeliver_non_idempotent` says that it may. Raises `InvalidError`.
    """
    refuse_positional(positional, "@motet.asgi_app()")
    return _decorator("asgi_app", WebSpec(kind="asgi", **read("asgi_app", options, WEB).of()))


def wsgi_app(*positional: Never, **options: Unpack[WebOptions]) -> Decorator:
    """Serve the WSGI app (Flask, Django ...) that the function returns; otherwise as `asgi_app`. Requests run on threads."""
    refuse_positional(positional, "@motet.wsgi_app()")
    return _decorator("wsgi_app", WebSpec(kind="wsgi", **read("wsgi_app", options, WEB).of()))


def fastapi_endpoint(*positional: Never, **options: Unpack[EndpointOptions]) -> Decorator:
    """Have the function answer requests, with parameters and results as FastAPI reads and writes them.

    `method` is the one of HTTP; `docs` adds the pages /docs and /redoc. Pages of any origin may call it. Otherwise as
    `asgi_app`.
    """
    refuse_positional(positional, "@motet.fastapi_endpoint()")
    web = WebSpec(kind="fastapi", **read("fastapi_endpoint", options, ENDPOINT).of())
    return _decorator("fastapi_endpoint", web)


def web_server(port: int, **options: Unpack[WebServerOptions]) -> Decorator:
    """Pass requests on to a server that the function starts on `port`, in whatever language.

    The function is called once per container, starts the server without waiting for it, and returns; `startup_timeout`
    seconds later the port must accept connections. Containers share this machine's network: a server that takes its
    port from the environment variable `PORT` gets a free one in each container, one that insists on `port` needs
    `max_containers=1`. Otherwise as `asgi_app`.
    """
    if not is_int(port) or not 1 <= port <= 65535:
        raise InvalidError("First argument of `@web_server` must be a local port, such as `@web_server(8000)`.")
    web = WebSpec(kind="server", port=port, **read("web_server", options, WEB_SERVER).of())
    return _decorator("web_server", web)


def web_endpoint(*positional: Never, **options: Any) -> Decorator:
    """The old name of `fastapi_endpoint`."""
    refuse_positional(positional, "@motet.web_endpoint()")
    warn_user(DeprecationError("`@motet.web_endpoint` has been renamed to `@motet.fastapi_endpoint`."))
    return fastapi_endpoint(**options)


def _decorator(name: str, web: WebSpec) -> Decorator:
    return lambda wrapped: _with_web(wrapped, web, f"@motet.{name}")


def _with_web(wrapped: Any, web: WebSpec, decorator: str) -> PartialFunction:
    refuse("web", wrapped, decorator)
    raw, concurrency = wrapped, None
    if isinstance(wrapped, PartialFunction):
        raw, concurrency = wrapped.raw, wrapped.concurrency
    _check(raw, web, decorator)
    return PartialFunction(raw, concurrency, web=web)


def _check(raw: Callable[..., Any], web: WebSpec, decorator: str) -> None:
    if inspect.isgeneratorfunction(raw) or inspect.isasyncgenfunction(raw):
        raise InvalidError(
            "Webhooks cannot be generators. If you want a streaming response, return a "
            "`fastapi.responses.StreamingResponse`."
        )
    if web.kind == "fastapi":
        return
    if inspect.iscoroutinefunction(raw):
        raise InvalidError(f"The `{decorator}` decorator can't be applied to an async function.")
    parameters = list(inspect.signature(raw).parameters)
    parent = raw.__qualname__.rpartition(".")[0]
    in_class = bool(parent) and not parent.endswith("<locals>")
    if len(parameters) > in_class:
        raise InvalidError(f"Functions decorated by `{decorator}` can't have parameters.")
