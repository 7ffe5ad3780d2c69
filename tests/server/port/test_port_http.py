"""HTTP on the port: whether the server lives and is ready; and WebSockets, whose strangers cost no more than others."""

from __future__ import annotations

import asyncio
import contextlib
import sys

import pytest

from motet.client.open_stream import open_stream
from motet.errors import ConnectionError, ServiceError
from motet.server.health import Health
from motet.server.port import frames_websocket
from motet.wire import codec
from motet.wire.client_messages import Forget
from motet.wire.hello import Agreed, Hello
from tests.server.port.certificates import Authority
from tests.server.port.test_port import authority, exchange, opened, play  # noqa: F401 - a fixture

UPGRADE = (
    b"GET %s HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n%s\r\n"
)


class Own:
    """What is asked about a server's health."""

    def __init__(self) -> None:
        self.is_ending = self.is_broken = False
        self.problem = ""
        self.health = Health(0.0, lambda: self.is_ending, lambda: self.is_broken)
        self.health.watch("disk", lambda: self.problem)


async def ask(number: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", number)
    writer.write(request)
    async with asyncio.timeout(30):
        answer = await reader.read()
    writer.close()
    return answer


async def get(number: int, path: str, method: str = "GET") -> tuple[int, bytes]:
    answer = await ask(number, f"{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def test_anybody_may_ask_whether_the_server_lives_and_is_ready_and_learns_no_more() -> None:
    async def scene() -> None:
        own = Own()
        async with opened(health=own.health) as there:
            assert await get(there.number, "/livez") == (200, b"ok\n")
            assert await get(there.number, "/readyz") == (503, b"starting\n")
            own.health.has_started = True
            assert await get(there.number, "/readyz") == (200, b"ok\n")
            assert await get(there.number, "/readyz", "HEAD") == (200, b"")
            own.problem = "the disk /var/lib/secret is full"
            assert await get(there.number, "/readyz") == (503, b"failing\n")
            assert own.health.problems() == ["disk: the disk /var/lib/secret is full"]
            own.problem, own.is_ending = "", True
            assert await get(there.number, "/readyz") == (503, b"ending\n")
            own.is_broken = True
            assert await get(there.number, "/readyz") == (503, b"failing\n")
            assert await get(there.number, "/livez") == (200, b"ok\n")
            assert await get(there.number, "/livez", "DELETE") == (405, b"GET or HEAD\n")
            assert await get(there.number, "/") == (503, b"there is no API here\n")

    play(scene)


def test_what_is_not_needed_may_fail_and_the_server_is_ready() -> None:
    own = Own()
    own.health.has_started = True
    own.health.watch("records", lambda: "full", is_needed=False)
    assert (own.health.state, own.health.problems()) == ("ready", ["records: full"])


@pytest.mark.parametrize("tls", [True, False])
def test_frames_travel_in_a_websocket(authority: Authority, tls: bool) -> None:  # noqa: F811
    async def scene() -> None:
        async with opened(health=Own().health, certificate=authority.certificate() if tls else None) as there:
            address = f"wss://localhost:{there.number}/connect" if tls else f"ws://127.0.0.1:{there.number}/connect"
            stream = await asyncio.to_thread(open_stream, address)
            hello = Hello("client", "t")
            assert isinstance((await asyncio.to_thread(exchange, stream, hello))[0], Agreed)
            assert there.greeted == [hello]
            await there.wait(lambda: len(there.strangers) == 0)
            many = [Forget(number) for number in range(50_000)]
            assert await asyncio.to_thread(exchange, stream, *many, count=len(many)) == many
            stream.end()
            stream.close()

    play(scene)


@pytest.fixture
def pings(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """One for each ping; they come at once."""
    sent: list[None] = []
    ping = frames_websocket.FramesWebSocket._ping

    def counted(websocket: frames_websocket.FramesWebSocket) -> None:
        sent.append(None)
        ping(websocket)

    monkeypatch.setattr(frames_websocket, "PING_INTERVAL", 0.02)
    monkeypatch.setattr(frames_websocket.FramesWebSocket, "_ping", counted)
    return sent


def test_a_client_that_says_nothing_and_is_there_stays(pings: list[None]) -> None:
    async def scene() -> None:
        async with opened(health=Own().health) as there:
            stream = await asyncio.to_thread(open_stream, f"ws://127.0.0.1:{there.number}/connect")
            await asyncio.to_thread(exchange, stream, Hello("client", "t"))
            waiting = asyncio.create_task(asyncio.to_thread(exchange, stream, Forget(1), count=2))
            await there.wait(lambda: len(pings) > 3 * frames_websocket.MOST_SILENT)
            assert not waiting.done()
            stream.send(b"".join(codec.frames([Forget(2)])))
            assert await waiting == [Forget(1), Forget(2)]
            stream.close()

    play(scene)


def test_one_that_does_not_answer_pings_is_gone(pings: list[None]) -> None:
    async def scene() -> None:
        async with opened(health=Own().health) as there:
            answer = b""
            with contextlib.suppress(OSError):
                answer = await ask(there.number, UPGRADE % (b"/connect", b""))  # until the end of the connection
            assert len(pings) >= frames_websocket.MOST_SILENT, answer
            await there.wait(lambda: len(there.strangers) == 0)

    play(scene)


@pytest.mark.parametrize(
    ("path", "headers", "status", "reason"),
    [
        (b"/elsewhere", b"", b"404", b"WebSockets are at /connect"),
        (b"/connect", b"Origin: https://a.example\r\n", b"403", b"this is for programs, and not for pages"),
        (b"/connect", b"Origin: null\r\n", b"403", b"this is for programs"),
        (b"/connect", b"Sec-WebSocket-Version: 12\r\n", b"400", b""),
    ],
)
def test_pages_of_browsers_and_wrong_paths_are_refused(
    path: bytes, headers: bytes, status: bytes, reason: bytes
) -> None:
    async def scene() -> None:
        async with opened(health=Own().health) as there:
            answer = await ask(there.number, UPGRADE % (path, headers))
            assert answer.startswith(b"HTTP/1.1 " + status)
            assert reason in answer
            assert len(there.strangers) == 0

    play(scene)


def test_what_is_no_websocket_is_told_to_the_client() -> None:
    async def scene() -> None:
        async with opened(health=Own().health) as there:
            with pytest.raises(ConnectionError, match="refused with 404 Not Found: WebSockets are at /connect"):
                await asyncio.to_thread(open_stream, f"ws://127.0.0.1:{there.number}/elsewhere")

    play(scene)


EMPTY_MESSAGE, PING, TEXT = b"\x82\x80\0\0\0\0", b"\x89\x80\0\0\0\0", b"\x81\x80\0\0\0\0"


@pytest.mark.parametrize("frame", [EMPTY_MESSAGE, PING, TEXT])
def test_a_stranger_cannot_go_on_for_ever_with_messages_that_say_nothing(frame: bytes) -> None:
    async def scene() -> None:
        async with opened(health=Own().health) as there:
            reader, writer = await asyncio.open_connection("127.0.0.1", there.number)
            writer.write(UPGRADE % (b"/connect", b""))
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
            await there.wait(lambda: len(there.strangers) == 1)
            async with asyncio.timeout(30):
                with contextlib.suppress(OSError):
                    for _ in range(1000):
                        writer.write(frame * 100)
                        await writer.drain()
                await there.wait(lambda: len(there.strangers) == 0)
            writer.close()

    play(scene)


def test_a_message_that_is_too_large_ends_the_connection() -> None:
    async def scene() -> None:
        async with opened(health=Own().health) as there:
            reader, writer = await asyncio.open_connection("127.0.0.1", there.number)
            writer.write(UPGRADE % (b"/connect", b"") + b"\x82\xff" + (2**40).to_bytes(8, "big") + b"\0\0\0\0")
            assert b"\x88" in await reader.read()  # a frame that says goodbye
            writer.close()
            await there.wait(lambda: len(there.strangers) == 0)

    play(scene)


def test_without_the_packages_for_http_there_is_a_word_of_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)

    async def scene() -> None:
        async with opened(health=Own().health) as there:
            status, body = await get(there.number, "/livez")
            assert (status, b"pip install 'motet[server]'" in body) == (503, True)

    play(scene)


def test_without_the_package_for_websockets_there_is_a_word_of_what_to_install_on_either_side(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene() -> None:
        async with opened(health=Own().health) as there:
            monkeypatch.setitem(sys.modules, "motet.server.port.frames_websocket", None)
            assert (await get(there.number, "/livez"))[0] == 200  # all else goes on
            with pytest.raises(ConnectionError, match="the WebSocket was refused with 503"):
                await asyncio.to_thread(open_stream, f"ws://127.0.0.1:{there.number}/connect")
            monkeypatch.setitem(sys.modules, "websockets.client", None)
            with pytest.raises(ServiceError, match=r"pip install 'motet\[websocket\]'"):
                await asyncio.to_thread(open_stream, f"ws://127.0.0.1:{there.number}/connect")

    play(scene)
