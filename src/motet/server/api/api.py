"""The HTTP API as an ASGI app: who asks is found out first, and is then a client like any other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive as StarletteReceive
from starlette.types import Scope as StarletteScope
from starlette.types import Send as StarletteSend

from motet.client.peer_process import PeerProcess
from motet.errors import ConnectionError, Error
from motet.server.access.door import Principal
from motet.server.api import steering
from motet.server.api.asked import Asked, ClientGone
from motet.server.api.bodies import Bodies
from motet.server.api.calling import Calling
from motet.server.api.looking import Looking, plain
from motet.server.api.openapi import document
from motet.server.api.problems import Problem, ServerEnding, of_error
from motet.server.api.reception import PROCESS, Reception
from motet.server.api.targets import Targets
from motet.server.api.tools import ToolRequests
from motet.server.api.visit import Visit
from motet.server.driver import logger
from motet.server.http.own_names import OwnNames
from motet.wire.asgi import Receive, Scope, Send

MAX_REQUESTS = 2000
"""Requests that are answered at a time."""
_TOKENS = frozenset({"token", "access_token", "api_key", "apikey"})

Respond = Callable[[Asked], Awaitable[Response]]


class HttpApi:
    """The app. `names`: those that the server is reached by."""

    def __init__(self, reception: Reception, names: OwnNames) -> None:
        self._reception = reception
        self._names = names
        self._bodies = Bodies()
        self._visits: set[Visit] = set()
        self._ended = False
        targets = Targets(reception.find_running)
        self._calling = Calling(targets, reception.has_call)
        self._looking = Looking(targets)
        self._tools = ToolRequests(targets)
        handlers = {HTTPException: _not_routed}
        self._app = Starlette(routes=self._routes(), exception_handlers=handlers)  # type: ignore[arg-type]
        self._app.router.redirect_slashes = False

    def _routes(self) -> list[BaseRoute]:
        calling, looking = self._calling, self._looking
        function = "/v1/apps/{app}/functions/{function}"
        table: list[tuple[str, str, Respond]] = [
            ("GET", "/v1/apps", looking.apps),
            ("GET", "/v1/apps/{app}", looking.app),
            ("GET", "/v1/apps/{app}/deployments", looking.deployments),
            ("GET", "/v1/apps/{app}/deployments/{version}", looking.deployment),
            ("POST", "/v1/apps/{app}/rollback", steering.roll_back),
            ("POST", "/v1/apps/{app}/promote", steering.promote),
            ("POST", "/v1/apps/{app}/stop", steering.stop),
            ("GET", "/v1/apps/{app}/logs", looking.logs_of_app),
            ("GET", function, looking.function),
            ("GET", f"{function}/stats", looking.stats),
            ("POST", "/v1/apps/{app}/mcp", self._tools.mcp),
            ("POST", f"{function}/call", calling.call),
            ("POST", f"{function}/spawn", calling.spawn),
            ("POST", f"{function}/stream", calling.stream),
            ("GET", "/v1/calls/{call}", calling.status),
            ("GET", "/v1/calls/{call}/result", calling.result),
            ("POST", "/v1/calls/{call}/cancel", calling.cancel),
            ("GET", "/v1/calls/{call}/logs", looking.logs_of_call),
        ]
        # Not a function of Starlette's: a visit goes on until the last byte of its answer has left.
        routes: list[BaseRoute] = [
            Route(path, _RouteEnd(self._respond, respond), methods=[method]) for method, path, respond in table
        ]
        return [Route("/v1/openapi.json", _document), *routes]

    @property
    def paths(self) -> set[tuple[str, str]]:
        """Methods and paths that are answered, the document's own aside."""
        found = [
            route for route in self._app.routes if isinstance(route, Route) and isinstance(route.endpoint, _RouteEnd)
        ]
        return {(method, route.path) for route in found for method in route.methods or () if method != "HEAD"}

    def close(self) -> None:
        """The server ends: nobody is to wait any more. Idempotent."""
        self._ended = True
        for visit in list(self._visits):
            visit.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if (fault := self._fault(dict(scope["headers"]))) is not None:
            await _failed(fault)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _fault(self, headers: dict[bytes, bytes]) -> Problem | None:
        """Why a request is not looked at: a page of another site sent it, or its own name led here."""
        host = headers.get(b"host", b"").decode("latin-1")
        if not self._names.knows(host):
            told = (
                f"this server is not known as {host!r}: ask it by an address, as localhost, or by a name in MOTET_NAMES"
            )
            return Problem("wrong-host", told)
        if (origin := headers.get(b"origin")) is not None:
            return Problem("not-allowed", f"a page of {origin.decode('latin-1')!r} may not use this API")
        return None

    async def _respond(self, respond: Respond, request: Request) -> None:
        visit: Visit | None = None
        try:
            principal = self._admitted(request)
            visit = Visit(principal.rights)
            self._visits.add(visit)
            visit.enter(self._reception.enter(visit, principal, _where(request)))
            entered, now = visit, self._reception.now()
            response = await _answered(respond, lambda: Asked(request, entered, self._bodies, principal.identity, now))
            await response(request.scope, request.receive, request._send)
        except Problem as problem:
            await _failed(problem)(request.scope, request.receive, request._send)
        except ClientGone:
            pass  # nobody is there to be told anything
        finally:
            if visit is not None:
                self._visits.discard(visit)
                visit.leave()

    def _admitted(self, request: Request) -> Principal:
        """Who asks. Raises `Problem`."""
        if self._ended or self._reception.is_ending():
            raise ServerEnding("send the request to the next one, nothing of it has run", may_have_run=False)
        if len(self._visits) >= MAX_REQUESTS:
            raise Problem("unavailable", f"{MAX_REQUESTS} requests are answered at a time", retry_after=1.0)
        if found := _TOKENS & {name.lower() for name in request.query_params}:
            raise Problem(
                "bad-request",
                f"{min(found)}= is refused: a token in a URL ends in logs. Send it as the header `Authorization: Bearer ...`, "
                "and revoke this one (`motet token revoke`).",
            )
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme and scheme.lower() != "bearer":
            raise Problem("not-authenticated", f"Authorization: {scheme} is not known here; send `Bearer TOKEN`")
        process: PeerProcess | None = (request.scope.get("state") or {}).get(PROCESS)
        if not token.strip() and process is None:
            raise Problem(
                "not-authenticated", "send `Authorization: Bearer TOKEN`; `motet token new` makes a token on the server"
            )
        try:
            return self._reception.admit(token.strip(), process, _where(request))
        except ConnectionError as error:
            raise Problem("not-authenticated", str(error)) from None


def _where(request: Request) -> str:
    """Where a request comes from, for the audit log."""
    return "http" if request.client is None else f"http {request.client.host}"


async def _answered(respond: Respond, ask: Callable[[], Asked]) -> Response:
    try:
        return await respond(ask())
    except (Problem, ClientGone):
        raise
    except Error as error:
        raise of_error(error) from None
    except Exception as error:
        logger.exception("a request to the HTTP API failed")
        raise Problem(
            "server-failed",
            f"{type(error).__name__}: {error}. This is a bug in Motet: please report it with the server's log.",
        ) from None


class _RouteEnd:
    """One route."""

    def __init__(self, serve: Callable[[Respond, Request], Awaitable[None]], respond: Respond) -> None:
        self._serve = serve
        self._respond = respond

    async def __call__(self, scope: StarletteScope, receive: StarletteReceive, send: StarletteSend) -> None:
        await self._serve(self._respond, Request(scope, receive, send))


async def _document(request: Request) -> Response:
    return plain(document())


async def _not_routed(request: Request, error: HTTPException) -> Response:
    if error.status_code == 405:
        response = _failed(Problem("method-not-allowed", f"{request.method} means nothing at {request.url.path}"))
        response.headers.update(error.headers or {})
        return response
    return _failed(Problem("not-found", f"there is nothing at {request.url.path}; /v1/openapi.json says what there is"))


def _failed(problem: Problem) -> Response:
    headers = {"cache-control": "no-store", **problem.headers}
    return Response(problem.document(), problem.status, headers, "application/problem+json")
