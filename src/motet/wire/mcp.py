"""The Model Context Protocol, as far as it is about tools: functions told of as tools, and messages answered.

Messages are JSON-RPC 2.0. How they travel, and how a function is called, is for others to say.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from motet.errors import Error, SerializationError
from motet.model.function import FunctionSpec, MethodSpec
from motet.model.version import VERSION
from motet.wire import report
from motet.wire.encoding import Encoding, body_of_result, encoding_of
from motet.wire.parameters import checked_parameters, encoded_parameters

VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
"""Of the protocol, the newest first: for what is said here they do not differ."""
MAX_NAME = 64
MAX_PROGRESS = 1000
"""Characters of an item that are told as progress."""
PARAMETERS = "parameters"
"""What the parameters of a class are called among a tool's arguments."""

PARSE_ERROR, INVALID_REQUEST, NO_METHOD, INVALID_PARAMS, SERVER_ERROR = -32700, -32600, -32601, -32602, -32000

Json = dict[str, Any]
Progress = Callable[[int, str], None]
"""Is told how many items have come, and the last one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionTool:
    """A function as a tool. `function_id` is that of its class, where that has parameters."""

    name: str
    function_id: str
    function: FunctionSpec
    method: MethodSpec

    def told(self) -> Json:
        """What a client is told of it."""
        known = self.method.interface
        schema: Json = (
            {"type": "object"} if known is None else {"type": "object", **msgspec.json.decode(known.arguments)}
        )
        if self.function.parameters:
            required = [each.name for each in self.function.parameters if each.default is None]
            properties = {each.name: {"type": _JSON_TYPES[each.type_name]} for each in self.function.parameters}
            ours: Json = {"type": "object", "properties": properties, "required": required}
            schema["properties"] = {PARAMETERS: ours, **schema.get("properties", {})}
            if required:
                schema["required"] = [PARAMETERS, *schema.get("required", [])]
        what = known.description if known is not None else ""
        return {"name": self.name, "description": what or f"The function {self.called}.", "inputSchema": schema}

    @property
    def called(self) -> str:
        """As it was declared."""
        return f"{self.function.name}.{self.method.name}" if self.method.name else self.function.name

    def taken_apart(self, arguments: Json) -> tuple[bytes | None, bytes]:
        """The encoded parameters of its class, if that has any, and its own arguments as a body of JSON. Raises `TypeError`
        and `InvalidError` for parameters that are wrong."""
        kwargs, given = dict(arguments), None
        if self.function.parameters:
            found = kwargs.pop(PARAMETERS, {})
            if not isinstance(found, dict):
                raise TypeError(f"{PARAMETERS} must be an object")
            values = checked_parameters(self.function.parameters, found, self.function.name)
            given = encoded_parameters(values, self.function.name)
        return given, msgspec.json.encode({"kwargs": kwargs})


_JSON_TYPES = {"int": "integer", "str": "string", "bool": "boolean", "bytes": "string"}


def tools_of(functions: Iterable[tuple[str, FunctionSpec]], wanted: Iterable[str] = ()) -> dict[str, FunctionTool]:
    """Tools by name, of functions with their ids; only `wanted` ones, if any are given. Web functions are none."""
    found: dict[str, FunctionTool] = {}
    names = set(wanted)
    for function_id, function in functions:
        for method in function.methods:
            if method.web is not None or function.taken:
                continue
            tool = FunctionTool(name="", function_id=function_id, function=function, method=method)
            if names and tool.called not in names:
                continue
            name = base = re.sub(r"[^A-Za-z0-9_-]", "_", tool.called)[:MAX_NAME]
            number = 2
            while name in found:
                name, number = f"{base[: MAX_NAME - 4]}_{number}", number + 1
            found[name] = FunctionTool(name=name, function_id=function_id, function=function, method=method)
    return found


class Toolbox(Protocol):
    """Who has the tools, and calls them."""

    async def tools(self) -> dict[str, FunctionTool]:
        """Those that there are now. Raises `Error`."""
        ...

    async def call(self, tool: FunctionTool, arguments: Json, progress: Progress) -> list[bytes]:
        """The result, or the items of a generator function, each as JSON. Raises `FunctionRaised` or `Error`."""
        ...


def json_of(payload: bytes) -> bytes:
    """A result, or an item, as JSON. Raises `SerializationError`."""
    if encoding_of(payload) is not Encoding.JSON:
        raise SerializationError("the container did not write the result as JSON: does it run an older Motet?")
    return bytes(body_of_result(payload))


class FunctionRaised(Exception):
    """A call ended with this encoded failure."""

    def __init__(self, failure: bytes) -> None:
        super().__init__(report.summary(failure))


class McpConversation:
    """One client's. `send` takes what is told without having been asked."""

    def __init__(self, toolbox: Toolbox, name: str, send: Callable[[Json], None]) -> None:
        self._toolbox = toolbox
        self._name = name
        self._send = send
        self._answers: dict[str, Callable[[Json], Awaitable[Json]]] = {
            "initialize": self._initialize,
            "ping": self._ping,
            "tools/list": self._list,
            "tools/call": self._call,
        }

    async def answer(self, message: Any) -> Json | None:
        """What to answer; None to what is no question."""
        if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
            return failed(None, INVALID_REQUEST, "this is no message of JSON-RPC 2.0")
        number, method, params = message.get("id"), message.get("method"), message.get("params") or {}
        if method is None or number is None:
            return None  # an answer to a question that was not asked, or a notification
        try:
            answer = self._answers.get(method) if isinstance(method, str) else None
            if answer is None:
                raise _WrongRequest(NO_METHOD, f"there is no method {method!r} here")
            if not isinstance(params, dict):
                raise _WrongRequest(INVALID_PARAMS, "params must be an object")
            return {"jsonrpc": "2.0", "id": number, "result": await answer(params)}
        except _WrongRequest as error:
            return failed(number, error.code, str(error))
        except Error as error:
            return failed(number, SERVER_ERROR, f"{type(error).__name__}: {error}")

    async def _initialize(self, params: Json) -> Json:
        asked = params.get("protocolVersion")
        return {
            "protocolVersion": asked if asked in VERSIONS else VERSIONS[0],
            "capabilities": {"tools": {"listChanged": False}},
            "serverInfo": {"name": f"motet: {self._name}", "version": VERSION},
        }

    async def _ping(self, params: Json) -> Json:
        return {}

    async def _list(self, params: Json) -> Json:
        return {"tools": [tool.told() for tool in (await self._toolbox.tools()).values()]}

    async def _call(self, params: Json) -> Json:
        name, arguments = params.get("name"), params.get("arguments") or {}
        tools = await self._toolbox.tools()
        if not isinstance(name, str) or name not in tools:
            raise _WrongRequest(INVALID_PARAMS, f"there is no tool {name!r}; there are: {', '.join(tools) or 'none'}")
        if not isinstance(arguments, dict):
            raise _WrongRequest(INVALID_PARAMS, "arguments must be an object")
        tool = tools[name]
        meta = params.get("_meta")
        token = meta.get("progressToken") if isinstance(meta, dict) else None

        def progress(count: int, text: str) -> None:
            if token is not None:
                told = {"progressToken": token, "progress": count, "message": text[:MAX_PROGRESS]}
                self._send({"jsonrpc": "2.0", "method": "notifications/progress", "params": told})

        try:
            found = await self._toolbox.call(tool, arguments, progress)
        except (FunctionRaised, Error, TypeError) as error:
            # Not an error of the protocol: the model reads it, and may do better.
            text = str(error) if isinstance(error, FunctionRaised) else f"{type(error).__name__}: {error}"
            return {"content": [{"type": "text", "text": text}], "isError": True}
        if tool.method.is_generator:
            text = f"[{','.join(each.decode() for each in found)}]"
        else:
            text = found[0].decode()
        value = msgspec.json.decode(text)
        said: Json = {"content": [{"type": "text", "text": value if isinstance(value, str) else text}]}
        if isinstance(value, dict):
            said["structuredContent"] = value
        return said


class _WrongRequest(Exception):
    """What a request says makes no sense."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def failed(number: Any, code: int, text: str) -> Json:
    """An error of the protocol."""
    return {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": text}}
