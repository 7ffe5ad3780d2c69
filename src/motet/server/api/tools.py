"""Functions as tools over HTTP: the Model Context Protocol's streamable HTTP, with an answer of JSON to each request."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from motet.errors import SerializationError
from motet.model.function import FunctionVariant
from motet.model.outcome import CallKind, OutcomeKind
from motet.server.api.asked import Asked
from motet.server.api.calling import ACK_EVERY, new_call_id
from motet.server.api.looking import plain
from motet.server.api.problems import Problem
from motet.server.api.targets import Targets
from motet.server.api.visit import Visit
from motet.wire.client_messages import AckCallItems, BindFunction
from motet.wire.encoding import Encoding, marked_arguments
from motet.wire.mcp import (
    FunctionRaised,
    FunctionTool,
    Json,
    McpConversation,
    Progress,
    json_of,
    tools_of,
)

MAX_ITEMS_BYTES = 16 * 1024 * 1024
"""Of the items of a generator function, which are one answer."""


class ToolRequests:
    """Answers requests of clients of that protocol."""

    def __init__(self, targets: Targets) -> None:
        self._targets = targets

    async def mcp(self, asked: Asked) -> Response:
        """One message. The client going away cancels the call that it asked for."""
        asked.filters.done()
        app, body = asked.part("app"), await asked.body()
        try:
            message = msgspec.json.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Problem("bad-request", f"the body is no JSON: {error}") from None
        conversation = McpConversation(
            _VisitorsTools(self._targets, asked.visit, app, asked.trace), app, lambda _: None
        )
        answer = await asked.unless_gone(conversation.answer(message))
        return Response(status_code=202) if answer is None else plain(answer)


class _VisitorsTools:
    """The functions of an app, for one request. See `Toolbox`."""

    def __init__(self, targets: Targets, visit: Visit, app: str, trace: str) -> None:
        self._targets = targets
        self._visit = visit
        self._app = app
        self._trace = trace

    async def tools(self) -> dict[str, FunctionTool]:
        """See `Toolbox`."""
        return tools_of((await self._targets.app(self._visit, self._app)).functions)

    async def call(self, tool: FunctionTool, arguments: Json, progress: Progress) -> list[bytes]:
        """See `Toolbox`."""
        visit, function_id = self._visit, tool.function_id
        given, body = tool.taken_apart(arguments)
        if given is not None:
            bound = await visit.ask(BindFunction(function_id, FunctionVariant(parameters_given=given)))
            function_id = bound.function_id
        data = marked_arguments(body, Encoding.JSON, Encoding.JSON)
        kind = CallKind.STREAM if tool.method.is_generator else CallKind.ATTACHED
        call_id, found, size = new_call_id(), list[bytes](), 0
        arrivals = visit.submit(call_id, function_id, kind, tool.method.name, data, self._trace)
        while await visit.wait_items(arrivals):
            while arrivals.items:
                found.append(json_of(arrivals.items.popleft()))
                size += len(found[-1])
                if size > MAX_ITEMS_BYTES:
                    raise SerializationError(f"the items of {tool.called} are more than {MAX_ITEMS_BYTES // 2**20} MiB")
                if len(found) % ACK_EVERY == 0 and arrivals.end is None:
                    visit.say(AckCallItems(call_id, 0, ACK_EVERY))
        assert arrivals.end is not None
        if arrivals.end.kind is not OutcomeKind.SUCCESS:
            raise FunctionRaised(arrivals.end.payload)
        return found if tool.method.is_generator else [json_of(arrivals.end.payload)]
