"""`motet mcp`: deployed functions as tools of language models, by the Model Context Protocol on stdin and stdout."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import click
import msgspec

from motet.cli.options import ViewCommand
from motet.client.connection import Connection
from motet.client.dual import run_async
from motet.client.new_ids import new_call_id
from motet.client.standing import connection_for
from motet.errors import ConnectionError, NotFoundError
from motet.model.function import FunctionVariant
from motet.model.outcome import CallKind, InputEnd, NewInput, OutcomeKind
from motet.wire.client_messages import STREAM_WINDOW, BindFunction
from motet.wire.deployment_messages import AppFound, FindApp
from motet.wire.encoding import Encoding, marked_arguments
from motet.wire.mcp import (
    PARSE_ERROR,
    FunctionRaised,
    FunctionTool,
    Json,
    McpConversation,
    Progress,
    failed,
    json_of,
    tools_of,
)

ACK_EVERY = STREAM_WINDOW // 4


@click.command("mcp", cls=ViewCommand)
@click.argument("app")
@click.option(
    "--function", "functions", multiple=True, metavar="NAME", help="Only this one; may be given several times."
)
@click.option(
    "--version", "version", type=click.IntRange(min=1), help="This version of the app, not the one that serves."
)
def mcp_command(*, app: str, functions: tuple[str, ...], version: int | None) -> None:
    """Serve the functions of a deployed APP as tools of the Model Context Protocol, on stdin and stdout.

    A program that has language models use tools starts it. What tools take is read from annotations and docstrings; each call
    of a tool is a call of the function, with its logs and records. Generator functions tell their items as progress.
    """
    asyncio.run(_serve(DeployedTools(app, functions, version or 0)))


class DeployedTools:
    """The functions of an app on the server that stays. See `Toolbox`."""

    def __init__(self, app: str, functions: tuple[str, ...], version: int) -> None:
        self.app = app
        self._functions = functions
        self._version = version

    async def tools(self) -> dict[str, FunctionTool]:
        """See `Toolbox`; those of the version that serves now."""
        connection = await self._connection()
        found: AppFound = await run_async(connection.request(FindApp(self.app, self._version)))
        ids = (function_id for _, _, function_id in found.functions)
        functions = list(zip(ids, found.specs, strict=True))
        tools = tools_of(functions, self._functions)
        if missing := set(self._functions) - {tool.called for tool in tools.values()}:
            there = ", ".join(sorted(tool.called for tool in tools_of(functions).values())) or "none"
            raise NotFoundError(
                f"App {self.app!r} has no function {min(missing)!r} that can be a tool (those that can: {there})"
            )
        return tools

    async def call(self, tool: FunctionTool, arguments: Json, progress: Progress) -> list[bytes]:
        """See `Toolbox`. Cancelled with whoever waits for it."""
        given, body = tool.taken_apart(arguments)
        connection, function_id = await self._connection(), tool.function_id
        if given is not None:
            variant = FunctionVariant(parameters_given=given)
            function_id = (await run_async(connection.request(BindFunction(function_id, variant)))).function_id
        call_id, arriving = new_call_id(), _Arriving()
        kind = CallKind.STREAM if tool.method.is_generator else CallKind.ATTACHED
        data = marked_arguments(body, Encoding.JSON, Encoding.JSON)
        connection.open_call(call_id, arriving)
        found: list[bytes] = []
        try:
            connection.submit(call_id, function_id, kind, tool.method.name, [NewInput(0, data)], None)
            while (item := await arriving.next()) is not None:
                found.append(json_of(item))
                progress(len(found), found[-1].decode())
                if len(found) % ACK_EVERY == 0 and arriving.end is None:
                    connection.ack_items(call_id, ACK_EVERY)
        finally:
            with contextlib.suppress(ConnectionError):
                connection.close_call(call_id, cancel=arriving.end is None)
        if isinstance(arriving.end, Exception):
            raise arriving.end
        assert arriving.end is not None
        if arriving.end.kind is not OutcomeKind.SUCCESS:
            raise FunctionRaised(arriving.end.payload)
        return found if tool.method.is_generator else [json_of(arriving.end.payload)]

    async def _connection(self) -> Connection:
        return await run_async(connection_for("`motet mcp`", f"motet mcp {self.app}"))


class _Arriving:
    """What comes of a call, for a task. Its methods but `next` are called on the I/O thread."""

    def __init__(self) -> None:
        self.end: InputEnd | Exception | None = None
        self._loop = asyncio.get_running_loop()
        self._came: asyncio.Queue[bytes | InputEnd | Exception] = asyncio.Queue()

    async def next(self) -> bytes | None:
        """The next item; None when `end` is there."""
        found = await self._came.get()
        if isinstance(found, bytes):
            return found
        self.end = found
        return None

    def ended(self, ended: list[InputEnd]) -> None:
        self._put(ended[0])

    def items(self, items: list[bytes]) -> None:
        for item in items:
            self._put(item)

    def lost(self, error: Exception) -> None:
        self._put(error)

    def _put(self, what: bytes | InputEnd | Exception) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            self._loop.call_soon_threadsafe(self._came.put_nowait, what)


# --- stdin and stdout -------------------------------------------------------------------------------------------------


async def _serve(toolbox: DeployedTools) -> None:
    """Until stdin ends. Raises what keeps the tools from being found at the start."""
    await toolbox.tools()
    with _own_output() as send:
        conversation = McpConversation(toolbox, toolbox.app, send)
        running: dict[int | str, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as tasks:
            async for line in _lines():
                try:
                    message = msgspec.json.decode(line)
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                    send(failed(None, PARSE_ERROR, f"this is no JSON: {error}"))
                    continue
                if (cancelled := _cancelled(message)) is not None:
                    if cancelled in running:
                        running[cancelled].cancel()
                    continue
                number = message.get("id") if isinstance(message, dict) else None
                task = tasks.create_task(_answer(conversation, message, send))
                if isinstance(number, int | str):
                    running[number] = task
                    task.add_done_callback(functools.partial(_forget, running, number))
            for task in list(running.values()):
                task.cancel()


async def _answer(conversation: McpConversation, message: Any, send: Callable[[Json], None]) -> None:
    answer = await conversation.answer(message)
    if answer is not None:
        send(answer)


def _forget(running: dict[int | str, asyncio.Task[None]], number: int | str, done: asyncio.Task[None]) -> None:
    if running.get(number) is done:
        del running[number]


def _cancelled(message: Any) -> int | str | None:
    """Which question is not of interest any more."""
    if isinstance(message, dict) and message.get("method") == "notifications/cancelled":
        params = message.get("params")
        number = params.get("requestId") if isinstance(params, dict) else None
        return number if isinstance(number, int | str) else None
    return None


@contextlib.contextmanager
def _own_output() -> Iterator[Callable[[Json], None]]:
    """How messages leave. Whatever else writes to stdout meanwhile goes to stderr, where it harms nothing."""
    descriptor = os.dup(1)
    os.dup2(2, 1)
    with os.fdopen(descriptor, "wb", buffering=0) as out:

        def send(message: Json) -> None:
            rest = memoryview(msgspec.json.encode(message) + b"\n")
            while rest:
                rest = rest[out.write(rest) :]

        yield send


async def _lines() -> AsyncIterator[bytes]:
    """Lines of stdin. Read on a thread that nobody waits for: it may never come back."""
    loop, lines = asyncio.get_running_loop(), asyncio.Queue[bytes]()

    def read() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            while line := sys.stdin.buffer.readline():
                loop.call_soon_threadsafe(lines.put_nowait, line)
            loop.call_soon_threadsafe(lines.put_nowait, b"")

    threading.Thread(target=read, daemon=True, name="motet-mcp-stdin").start()
    while line := await lines.get():
        if line.strip():
            yield line
