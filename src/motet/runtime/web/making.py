"""From a web function to the ASGI app that its container serves."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

from motet.errors import ExecutionError, InvalidError
from motet.model.web import WebSpec
from motet.runtime.web.app import WebApp
from motet.runtime.web.port import start_server
from motet.runtime.web.proxy import PortProxy
from motet.runtime.web.wsgi import WsgiAdapter


def make_app(call: Callable[..., Any], web: WebSpec, max_inputs: int) -> WebApp:
    """The app of a web function. Raises what the user's code raises, and `ExecutionError` for what is not installed."""
    if web.kind == "fastapi":
        return WebApp(_endpoint(call, web))
    if web.kind == "server":
        for package in ("h11", "websockets"):
            _imported(package)
        return WebApp(PortProxy(start_server(call, web.port, web.startup_timeout)))
    app = call()
    if inspect.iscoroutine(app):
        app.close()
    if not callable(app):
        raise InvalidError(f"a function under `@motet.{web.kind}_app` must return an app, not {app!r}")
    if web.kind == "wsgi":
        return WebApp(WsgiAdapter(app, max_inputs))
    return WebApp(app)


def _endpoint(call: Callable[..., Any], web: WebSpec) -> Any:
    """An app with one route, "/"."""
    fastapi = _imported("fastapi")
    cors = _imported("fastapi.middleware.cors")
    urls = {} if web.docs else {"openapi_url": None, "docs_url": None, "redoc_url": None}
    app = fastapi.FastAPI(**urls)
    app.add_middleware(
        cors.CORSMiddleware,
        allow_origins=["*"],
        allow_credentials=True,
        allow_methods=["*"],
        allow_headers=["*"],
    )
    app.add_api_route("/", call, methods=[web.method])
    return app


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ExecutionError(
            f"web functions of this kind need {name.partition('.')[0]}: pip install 'motet[web]' ({error})"
        ) from error
