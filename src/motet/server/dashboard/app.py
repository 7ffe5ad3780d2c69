"""The dashboard as an ASGI app: its pages, its API, and its events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from motet.errors import ConflictError, Error, InvalidError, NotFoundError, ServiceError
from motet.model.audit import AuditOutcome
from motet.server.access.audit import Audit, Somebody
from motet.server.access.audited import kind_of
from motet.server.access.door import Principal
from motet.server.dashboard.api import Api, encode
from motet.server.dashboard.deployed import DeployedApps
from motet.server.dashboard.events import Watchers
from motet.server.dashboard.filters import Filters
from motet.server.dashboard.logins import Logins
from motet.server.dashboard.sandboxes import ShownSandboxes
from motet.server.dashboard.security import MAX_BODY_BYTES, PRINCIPAL, Guard
from motet.server.http.own_names import OwnNames
from motet.wire.client_messages import UpdateAutoscaler
from motet.wire.operator_messages import EndCall, EndContainer

STATIC = Path(__file__).parent / "static"
PAGES = (
    "/apps",
    "/apps/{id}",
    "/deployments/{name}",
    "/functions/{id}",
    "/calls",
    "/calls/{id}",
    "/inputs/{id}",
    "/containers/{id}",
    "/logs",
    "/sandboxes",
)
STATUS = {NotFoundError: 404, ConflictError: 409, InvalidError: 400, ServiceError: 503}

Endpoint = Callable[[Request], Awaitable[Response]]


class _Files(StaticFiles):
    """Files that a browser asks for again each time, with what it has: a newer page must not meet an older script."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["cache-control"] = "no-cache"
        return response


def dashboard_app(
    api: Api, watchers: Watchers, names: OwnNames, logins: Logins, metrics: Any = None, audit: Audit | None = None
) -> Guard:
    """The app; `names` are those that it is served as, `metrics` an app that shows them. `audit`: is told of commands."""

    def question(answer: Callable[..., Awaitable[Any]]) -> Endpoint:
        async def respond(request: Request) -> Response:
            filters = Filters(request.query_params.multi_items(), api.clock())
            return _json(await answer(*request.path_params.values(), filters))

        return respond

    def command(kind: type[Any], carry_out: Callable[..., Awaitable[Any]]) -> Endpoint:
        """What a message of this kind would ask for."""

        async def respond(request: Request) -> Response:
            outcome: AuditOutcome = "failed"
            try:
                done = _json(await carry_out(*request.path_params.values(), await _body(request)))
                outcome = "done"
                return done
            finally:
                if audit is not None:
                    principal: Principal = request.scope[PRINCIPAL]
                    by = Somebody(principal.name, principal.key, "the dashboard")
                    audit.did(by, kind_of(kind), outcome, dict(request.path_params))

        return respond

    async def events(request: Request) -> Response:
        pairs = request.query_params.multi_items()
        if last := request.headers.get("last-event-id"):  # the browser lost the connection, and goes on where it was
            pairs = [*((name, value) for name, value in pairs if name != "after"), ("after", last)]
        watcher = watchers.watch(Filters(pairs, api.clock()))
        headers = {"cache-control": "no-store"}
        return StreamingResponse(watcher.events(), media_type="text/event-stream", headers=headers)

    deployed = DeployedApps(api)
    routes: list[BaseRoute] = [
        Route("/api/deployments", question(deployed.all)),
        Route("/api/deployments/{name}", question(deployed.one)),
        Route("/api/schedules", question(deployed.schedules)),
        Route("/api/apps", question(api.apps)),
        Route("/api/apps/{id}", question(api.app)),
        Route("/api/functions/{id}", question(api.function)),
        Route("/api/functions/{id}/series", question(api.series)),
        Route("/api/functions/{id}/autoscaler", command(UpdateAutoscaler, api.update_autoscaler), methods=["POST"]),
        Route("/api/calls", question(api.calls)),
        Route("/api/calls/{id}", question(api.call)),
        Route("/api/calls/{id}/inputs", question(api.inputs)),
        Route("/api/calls/{id}/cancel", command(EndCall, api.cancel_call), methods=["POST"]),
        Route("/api/inputs", question(api.live_inputs)),
        Route("/api/inputs/{id}", question(api.input)),
        Route("/api/inputs/{id}/tree", question(api.tree)),
        Route("/api/containers/{id}", question(api.container)),
        Route("/api/containers/{id}/stop", command(EndContainer, api.stop_container), methods=["POST"]),
        Route("/api/logs", question(api.logs)),
        Route("/api/sandboxes", question(ShownSandboxes(api).all)),
        Route("/api/events", events),
        Route("/api/{path:path}", _unknown),
        *(Route(path, _page) for path in PAGES),
        Route("/", _home),
        Mount("/static", _Files(directory=STATIC)),
    ]
    if metrics is not None:
        routes.append(Route("/metrics", metrics))
    starlette = Starlette(routes=routes, exception_handlers={Error: _failed})
    return Guard(starlette, names, logins)


async def _page(request: Request) -> Response:
    return FileResponse(STATIC / "index.html", headers={"cache-control": "no-cache"})


async def _home(request: Request) -> Response:
    return RedirectResponse("/apps")


async def _unknown(request: Request) -> Response:
    raise NotFoundError(f"there is nothing at {request.url.path}; docs/dashboard.md lists what there is")


async def _failed(request: Request, error: Exception) -> Response:
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 500)
    return _json({"error": str(error)}, status)


async def _body(request: Request) -> bytes:
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise InvalidError(f"a command's body has {MAX_BODY_BYTES // 1024} KiB at most")
    except ClientDisconnect:
        raise InvalidError("the command's body did not come to its end") from None
    return bytes(body)


def _json(value: Any, status: int = 200) -> Response:
    return Response(encode(value), status, media_type="application/json", headers={"cache-control": "no-store"})
