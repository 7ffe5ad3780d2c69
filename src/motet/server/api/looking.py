"""What there is to see over HTTP: apps and their functions, versions, pools, lines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
from starlette.responses import Response

from motet.model.deployment import DeploymentView
from motet.model.ids import checked_id
from motet.model.views import AppView, FunctionView
from motet.records.queries import LogQuery
from motet.server.api.asked import Asked
from motet.server.api.problems import Json, Problem
from motet.server.api.server_sent import event, streamed
from motet.server.api.targets import AppTarget, CallTarget, Targets, callables
from motet.server.dashboard.filters import log_query
from motet.server.dashboard.shown import line_json
from motet.wire.client_messages import FunctionViewed, ViewFunction
from motet.wire.deployment_messages import DeploymentsListed, ListDeployments
from motet.wire.operator_messages import FindLogs, LogsFound, ServerViewed, ViewServer

LINES_AT_ONCE = 500


class Looking:
    """Answers questions."""

    def __init__(self, targets: Targets) -> None:
        self._targets = targets

    # --- apps ---------------------------------------------------------------------------------------------------------

    async def apps(self, asked: Asked) -> Response:
        """Deployed apps, and all that runs."""
        asked.filters.done()
        viewed: ServerViewed = await asked.visit.ask(ViewServer())
        listed: DeploymentsListed = await asked.visit.ask(ListDeployments())
        return plain(
            {
                "deployments": [deployment_json(each) for each in listed.found],
                "running": [_app_view_json(each) for each in viewed.views],
            }
        )

    async def app(self, asked: Asked) -> Response:
        """One app, and what can be called of it."""
        app = await self._app(asked)
        functions = [function_json(each) for each in callables(app) if not each.function.taken]
        return plain({"name": app.name, "app_id": app.app_id, "version": app.version, "functions": functions})

    async def function(self, asked: Asked) -> Response:
        """How one function is called."""
        app, name = await self._app(asked), asked.part("function")
        found = next((it for it in callables(app) if it.name == name and not it.function.taken), None)
        if found is None:
            raise Problem("not-found", f"app {app.name!r} has no function {name!r}")
        return plain(function_json(found))

    async def stats(self, asked: Asked) -> Response:
        """What a function's pool does now."""
        version = asked.filters.number("version", 0, most=2**31) or 0
        parameters = asked.filters.text("parameters")
        asked.filters.done()
        target = await self._targets.function(
            asked.visit, asked.part("app"), asked.part("function"), version, parameters
        )
        viewed: FunctionViewed = await asked.visit.ask(ViewFunction(target.function_id))
        return plain(_view_json(viewed.view))

    async def deployments(self, asked: Asked) -> Response:
        """All versions of an app, the newest first."""
        asked.filters.done()
        listed: DeploymentsListed = await asked.visit.ask(ListDeployments(asked.part("app")))
        return plain({"deployments": [deployment_json(each) for each in listed.found]})

    async def deployment(self, asked: Asked) -> Response:
        """One version of an app."""
        asked.filters.done()
        name, text = asked.part("app"), asked.part("version")
        listed: DeploymentsListed = await asked.visit.ask(ListDeployments(name))
        for each in listed.found:
            if str(each.version) == text.removeprefix("v"):
                return plain(deployment_json(each))
        raise Problem("not-found", f"app {name!r} has no version {text!r}")

    async def _app(self, asked: Asked) -> AppTarget:
        version = asked.filters.number("version", 0, most=2**31) or 0
        asked.filters.done()
        return await self._targets.app(asked.visit, asked.part("app"), version)

    # --- lines --------------------------------------------------------------------------------------------------------

    async def logs_of_app(self, asked: Asked) -> Response:
        """What an app's containers wrote."""
        return await self._logs(asked, "app", asked.part("app"))

    async def logs_of_call(self, asked: Asked) -> Response:
        """What a call's inputs wrote."""
        call_id = checked_id(asked.part("call"), "fc", "call", tail=r"[\w-]{1,100}")
        return await self._logs(asked, "call", call_id)

    async def _logs(self, asked: Asked, name: str, of: str) -> Response:
        follow = asked.boolean("follow")
        if asked.filters.text(name) is not None:
            raise Problem("bad-request", f"{name}= is in the path already")
        query = log_query(asked.filters)
        query = msgspec.structs.replace(query, **{"app" if name == "app" else "call_id": of})
        last = asked.header("last-event-id")
        if last is not None and last.isdecimal() and len(last) < 19:  # a client that lost the connection, and goes on
            query = msgspec.structs.replace(query, after=int(last))
        found: LogsFound = await asked.visit.ask(FindLogs(query))
        if not follow:
            return plain({"lines": [line_json(each) for each in found.lines], "over": found.over})
        return streamed(_following(asked, query, found), {})


async def _following(asked: Asked, query: LogQuery, found: LogsFound) -> AsyncIterator[bytes]:
    """Lines as they come, until there will be no more."""
    try:
        while True:
            for line in found.lines:
                yield event("line", msgspec.json.encode(line_json(line)), line.position)
            if found.over and len(found.lines) < query.limit:
                yield event("end", b"{}")
                return
            after = found.lines[-1].position if found.lines else query.after
            query = msgspec.structs.replace(query, after=after, newest=False, limit=LINES_AT_ONCE)
            found = await asked.visit.ask(FindLogs(query, wait=True))
    except Problem as problem:
        yield event("problem", problem.document())
    finally:
        asked.visit.leave()


def function_json(target: CallTarget) -> Json:
    """How something can be called, and what it takes."""
    method, function = target.method, target.function
    kind = "web" if method.web is not None else "stream" if method.is_generator else "call"
    found: Json = {"name": target.name, "kind": kind, "function_id": target.function_id}
    if kind == "web":
        urls = [url for fid, name, url in target.app.web_urls if (fid, name) == (target.function_id, method.name)]
        found["url"] = urls[0] if urls else None
    else:
        known = method.interface
        found |= {
            "description": "" if known is None else known.description,
            "arguments": None if known is None else msgspec.Raw(known.arguments.encode()),
            "result": None if known is None else msgspec.Raw(known.result.encode()),
        }
    if function.parameters:
        found["parameters"] = [
            {"name": each.name, "type": each.type_name, "required": each.default is None}
            for each in function.parameters
        ]
    return found


def _app_view_json(view: AppView) -> Json:
    functions = [_view_json(each) for each in view.functions]
    return {"app_id": view.app_id, "name": view.name, "version": view.version or None, "functions": functions}


def _view_json(view: FunctionView) -> Json:
    found: Json = msgspec.to_builtins(view)
    return found


def deployment_json(view: DeploymentView) -> Json:
    """A version, and how it is."""
    found: Json = msgspec.to_builtins(view)
    return found


def plain(value: Any, status: int = 200) -> Response:
    """JSON."""
    return Response(msgspec.json.encode(value), status, {"cache-control": "no-store"}, "application/json")
