"""An ASGI app that passes requests on to a server on a port of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import Any

from motet.context.container import current_control
from motet.runtime.web.client_left import is_about_client
from motet.runtime.web.port import Address
from motet.wire.asgi import AsgiMessage, Receive, Send
from motet.wire.web import Headers

READ_BYTES = 64 * 1024
MAX_HEAD_BYTES = 64 * 1024

# About one connection, or set anew for the next one.
_HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization te trailer transfer-encoding upgrade expect".split()
)
# Of responses: the ingress has the hour, too.
_NOT_BACK = _HOP_BY_HOP | {b"date"}


class PortProxy:
    """Passes HTTP and WebSockets on, one connection for each. The server sees paths without the function's own part.

    What the server answers is passed on as it is, redirects included; what is no answer is a 502. A server that cannot be
    connected to any more ends the container, once its requests have.
    """

    def __init__(self, address: Address) -> None:
        # Late: these come with the extra for web functions.
        import h11

        from motet.runtime.web.upstream_websocket import connect

        self._h11: Any = h11
        self._connect: Any = connect
        self._address = address

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError("the server behind the proxy has a life of its own")
        started = False

        async def send_on(message: AsgiMessage) -> None:
            nonlocal started
            await send(message)
            started = True

        try:
            if scope["type"] == "websocket":
                await self._websocket(scope, receive, send_on)
            else:
                await self._http(scope, receive, send_on)
        except ConnectionRefusedError:
            print("Terminating runner due to @web_server connection issue", file=sys.stderr, flush=True)
            control = current_control()
            if control is not None:
                control.stop_fetching_inputs()
            await _bad_gateway(scope, send, "the web server is gone")
        except Exception as error:
            if started or is_about_client(error):
                raise
            what = f"the web server on port {self._address.port} gave no answer: {type(error).__name__}: {error}"
            print(what, file=sys.stderr, flush=True)
            await _bad_gateway(scope, send, what)

    # --- HTTP ---------------------------------------------------------------------------------------------------------

    async def _http(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        reader, writer = await asyncio.open_connection(*self._address, limit=READ_BYTES)
        connection = self._h11.Connection(self._h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
        headers = [*forwarded(scope), (b"connection", b"close")]
        if any(name == b"transfer-encoding" for name, _ in scope["headers"]):
            headers.append((b"transfer-encoding", b"chunked"))
        request = self._h11.Request(method=scope["method"], target=target_of(scope), headers=headers)
        writer.write(connection.send(request))
        upload = asyncio.create_task(self._upload(connection, writer, receive))
        try:
            await self._download(connection, reader, send)
        finally:
            upload.cancel()
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError, self._h11.LocalProtocolError):
                await upload

    async def _upload(self, connection: Any, writer: asyncio.StreamWriter, receive: Receive) -> None:
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            if body := message.get("body", b""):
                writer.write(connection.send(self._h11.Data(data=body)))
                await writer.drain()
            more = message.get("more_body", False)
        writer.write(connection.send(self._h11.EndOfMessage()))
        await writer.drain()

    async def _download(self, connection: Any, reader: asyncio.StreamReader, send: Send) -> None:
        while True:
            event = connection.next_event()
            if event is self._h11.NEED_DATA:
                connection.receive_data(await reader.read(READ_BYTES))
            elif isinstance(event, self._h11.Response):
                kept = [(bytes(name), bytes(value)) for name, value in event.headers if name not in _NOT_BACK]
                await send({"type": "http.response.start", "status": event.status_code, "headers": kept})
            elif isinstance(event, self._h11.Data):
                await send({"type": "http.response.body", "body": bytes(event.data), "more_body": True})
            elif isinstance(event, self._h11.EndOfMessage):
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                return
            elif isinstance(event, self._h11.ConnectionClosed):
                raise ConnectionResetError("it closed the connection")

    # --- WebSockets ---------------------------------------------------------------------------------------------------

    async def _websocket(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        from websockets.exceptions import ConnectionClosed, InvalidStatus

        await receive()  # websocket.connect
        ours = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in forwarded(scope)]
        host = next((value for name, value in ours if name == "host"), f"localhost:{self._address.port}")
        skipped = ("host", "origin")
        try:
            upstream = await self._connect(
                f"ws://{host}{target_of(scope).decode('latin-1')}",
                host=self._address.host,
                port=self._address.port,
                origin=next((value for name, value in ours if name == "origin"), None),
                subprotocols=scope["subprotocols"] or None,
                additional_headers=[it for it in ours if it[0] not in skipped and "sec-websocket" not in it[0]],
                compression=None,
                open_timeout=None,  # the function's own says how long a request may take
                max_size=None,
                ping_interval=None,
                proxy=None,
            )
        except InvalidStatus as refusal:
            response = refusal.response
            headers = _answered(response, b"content-length")
            await send({"type": "websocket.http.response.start", "status": response.status_code, "headers": headers})
            await send({"type": "websocket.http.response.body", "body": bytes(response.body or b"")})
            return
        headers = _answered(upstream.response)
        await send({"type": "websocket.accept", "subprotocol": upstream.subprotocol, "headers": headers})
        upload = asyncio.create_task(_carry_up(upstream, receive))
        try:
            async for message in upstream:
                key = "text" if isinstance(message, str) else "bytes"
                await send({"type": "websocket.send", key: message})
        except (ConnectionClosed, OSError):
            pass
        finally:
            upload.cancel()
            await upstream.close()
        with contextlib.suppress(OSError):
            code = upstream.close_code or 1000
            await send({"type": "websocket.close", "code": code, "reason": upstream.close_reason or ""})


async def _bad_gateway(scope: dict[str, Any], send: Send, what: str) -> None:
    kind = "websocket.http.response" if scope["type"] == "websocket" else "http.response"
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": f"{kind}.start", "status": 502, "headers": headers})
    await send({"type": f"{kind}.body", "body": f"{what}\n".encode()})


async def _carry_up(upstream: Any, receive: Receive) -> None:
    while (message := await receive())["type"] == "websocket.receive":
        text = message.get("text")
        await upstream.send(text if text is not None else message["bytes"])
    code = message.get("code", 1000)
    # What only says how it ended, no client may send: without a code it was well, else it is gone.
    await upstream.close({1005: 1000, 1006: 1001}.get(code, code), message.get("reason") or "")


def _answered(response: Any, *without: bytes) -> Headers:
    """The headers with which the server answered the opening request, but for those of its own WebSocket."""
    headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers.raw_items()
    ]
    kept = [it for it in headers if it[0] not in _NOT_BACK and not it[0].startswith(b"sec-websocket-")]
    return [it for it in kept if it[0] not in without]


def target_of(scope: dict[str, Any]) -> bytes:
    """Path and query as the server is to see them."""
    path: bytes = scope["raw_path"] or scope["path"].encode()
    if scope["root_path"]:  # the first part of the path, whichever way the client encoded it
        path = b"/" + path[1:].partition(b"/")[2]
    query: bytes = scope["query_string"]
    return path + b"?" + query if query else path


def forwarded(scope: dict[str, Any]) -> Headers:
    """The headers to pass on, with those that tell who asked, and for what."""
    kept: Headers = []
    before: list[bytes] = []
    for name, value in scope["headers"]:
        if name == b"x-forwarded-for":
            before.append(value)
        elif name not in _HOP_BY_HOP and name not in (b"x-forwarded-proto", b"x-forwarded-prefix"):
            kept.append((name, value))
    # The ingress has read the header already: the client is the first in it, not the proxy before us.
    if scope["client"] is not None and not before:
        before.append(scope["client"][0].encode())
    if before:
        kept.append((b"x-forwarded-for", b", ".join(before)))
    scheme = {"ws": "http", "wss": "https"}.get(scope["scheme"], scope["scheme"])
    kept.append((b"x-forwarded-proto", scheme.encode()))
    if scope["root_path"]:
        kept.append((b"x-forwarded-prefix", scope["root_path"].encode()))
    return kept
