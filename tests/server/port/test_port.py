"""The port of a server: who comes in over TLS and without, who is at the wrong port, and what strangers cost."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import ssl
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, cast

import pytest
import uvloop

from motet.client.open_stream import open_stream
from motet.client.peer_process import PeerProcess
from motet.client.streams import ByteStream
from motet.errors import ConnectionError, ServiceError
from motet.server import peers
from motet.server.api.entrance import ApiEntrance
from motet.server.health import Health
from motet.server.peers import Handler, SocketPeer, Strangers
from motet.server.port import port
from motet.server.port.config import PortConfig
from motet.server.port.port import Port
from motet.wire import codec
from motet.wire.client_messages import Forget
from motet.wire.framing import FrameReader
from motet.wire.hello import Agreed, Hello, Refused
from tests.server.port.certificates import DAY, NOW, Authority

PATIENCE = 30.0


class Echo:
    """Sends every message back."""

    def __init__(self, peer: SocketPeer) -> None:
        self._peer = peer

    def receive(self, messages: Any) -> None:
        self._peer.send(messages)

    def disconnected(self) -> None:
        """Nobody minds."""


class NoApi(ApiEntrance):
    """HTTP without the API."""

    def open(self) -> Any:
        raise ServiceError("there is no API here")


def no_http(process: PeerProcess | None) -> asyncio.Protocol:
    raise AssertionError("somebody spoke HTTP")


class Open:
    """A port that echoes. With `health` it has HTTP, too."""

    def __init__(self, config: PortConfig, health: Health | None = None) -> None:
        self.strangers = Strangers()
        self.greeted: list[Hello] = []
        self._http = None if health is None else NoApi(cast(Any, None), cast(Any, None), health, self._in_websocket)
        self.port = Port(config, self.strangers, self._new_peer)
        self.address = self.port.open()
        self.number = int(self.address.rpartition(":")[2])

    def _new_peer(self) -> SocketPeer:
        return SocketPeer(self._accept, self.strangers, no_http if self._http is None else self._http.new_protocol)

    def _in_websocket(self) -> SocketPeer:
        return SocketPeer(self._accept, self.strangers)

    async def close(self) -> None:
        self.port.close()
        if self._http is not None:
            await self._http.close()

    def _accept(self, hello: Hello, peer: SocketPeer) -> Handler:
        self.greeted.append(hello)
        return Echo(peer)

    async def wait(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110 - what it waits for has no event
                await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def opened(health: Health | None = None, **config: Any) -> AsyncIterator[Open]:
    before = open_sockets()
    there = Open(PortConfig(port=0, **config), health)
    try:
        yield there
    finally:
        await there.close()
    await there.wait(lambda: open_sockets() <= before)  # what clients let go of is let go of here, too


def open_sockets() -> int:
    """How many this process has."""
    found = 0
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
    return found


def play(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # as an error, uvloop never comes to an end with it
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(scene())


def exchange(stream: ByteStream, *sent: Any, count: int = 1) -> list[Any]:
    """Send messages, and read some."""
    stream.send(b"".join(codec.frames(sent)))
    reader, got = FrameReader(), []
    while len(got) < count and (size := stream.receive_into(reader.buffer())):
        for frame in reader.received(size):
            got += codec.decode_to_server(frame) if b"forget" in bytes(frame[:16]) else codec.decode_to_client(frame)
    return got


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.file))
    return made


def test_over_tls_messages_come_and_go_whatever_their_size(authority: Authority) -> None:
    async def scene() -> None:
        async with opened(certificate=authority.certificate()) as there:
            stream = await asyncio.to_thread(open_stream, f"tls:localhost:{there.number}")
            hello = Hello("client", "t")
            assert isinstance((await asyncio.to_thread(exchange, stream, hello))[0], Agreed)
            await there.wait(lambda: len(there.strangers) == 0)
            assert there.greeted == [hello]
            many = [Forget(number) for number in range(50_000)]
            assert await asyncio.to_thread(exchange, stream, *many, count=len(many)) == many
            stream.end()
            stream.close()

    play(scene)


def test_a_pinned_fingerprint_is_enough_and_has_to_be_the_right_one(authority: Authority) -> None:
    async def scene() -> None:
        expired = authority.certificate("another.example", begin=NOW - 3 * DAY, end=NOW - DAY)
        async with opened(certificate=expired) as there:
            assert there.port.tls is not None
            address = f"tls:127.0.0.1:{there.number}"
            stream = await asyncio.to_thread(open_stream, address, there.port.tls.fingerprint)
            stream.close()
            wrong = "sha256:" + "00" * 32
            with pytest.raises(
                ConnectionError, match=f"has the fingerprint {there.port.tls.fingerprint}, and not {wrong}"
            ):
                await asyncio.to_thread(open_stream, address, wrong)

    play(scene)


@pytest.mark.parametrize(
    ("made", "host", "message"),
    [
        (
            {"begin": NOW - 3 * DAY, "end": NOW - DAY},
            "localhost",
            "certificate has expired, or this machine's clock is ahead",
        ),
        ({"begin": NOW + DAY, "end": NOW + 2 * DAY}, "localhost", "is not valid yet: is this machine's clock right"),
        ({"name": "a.example"}, "localhost", "for another name than localhost: use the name .*, or pin"),
        ({"name": "localhost"}, "127.0.0.1", "for another name than 127.0.0.1"),
    ],
)
def test_a_certificate_that_is_not_to_be_trusted_is_refused_with_the_reason(
    authority: Authority, made: dict[str, Any], host: str, message: str
) -> None:
    async def scene() -> None:
        async with opened(certificate=authority.certificate(**made)) as there:
            with pytest.raises(
                ConnectionError, match=f"no connection to the server at tls:{host}:{there.number}: .*{message}"
            ):
                await asyncio.to_thread(open_stream, f"tls:{host}:{there.number}")

    play(scene)


def test_a_certificate_that_nobody_vouches_for_is_refused_with_what_to_do(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        async with opened(certificate=authority.certificate()) as there:
            monkeypatch.delenv("SSL_CERT_FILE")
            with pytest.raises(ConnectionError, match=r"no authority that this machine knows .* Pin the fingerprint"):
                await asyncio.to_thread(open_stream, f"tls:localhost:{there.number}")

    play(scene)


def test_who_speaks_plain_text_at_a_tls_port_is_told_so_and_the_server_says_who_it_was(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene() -> None:
        async with opened(certificate=authority.certificate()) as there:
            stream = await asyncio.to_thread(open_stream, f"tcp:127.0.0.1:{there.number}")
            (refused,) = await asyncio.to_thread(exchange, stream, Hello("client", "t"))
            assert isinstance(refused, Refused)
            assert "this port speaks TLS: use tls:HOST:PORT" in refused.reason
            stream.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", there.number)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            answer = await reader.read()
            assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
            assert b"this port speaks TLS" in answer
            writer.close()
            await there.wait(lambda: len(there.strangers) == 0)
        told = [each.message for each in caplog.records]
        assert len(told) == 1  # the second comes too soon for a line of its own
        assert "came to nothing: it does not speak TLS" in told[0]

    play(scene)


def test_who_speaks_tls_at_a_plain_port_is_told_so() -> None:
    async def scene() -> None:
        async with opened() as there:
            with pytest.raises(ConnectionError, match="what listens there speaks no TLS: it is a plain-text port"):
                await asyncio.to_thread(open_stream, f"tls:127.0.0.1:{there.number}", "sha256:" + "00" * 32)
            await there.wait(lambda: len(there.strangers) == 0)

    play(scene)


def test_plain_text_goes_on_at_a_plain_port() -> None:
    async def scene() -> None:
        async with opened() as there:
            stream = await asyncio.to_thread(open_stream, there.address)
            assert isinstance((await asyncio.to_thread(exchange, stream, Hello("client", "t")))[0], Agreed)
            assert await asyncio.to_thread(exchange, stream, Forget(1)) == [Forget(1)]
            stream.close()

    play(scene)


class CutOffAtOnce(SocketPeer):
    """One whose connection takes just a moment too long to come about."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        for task in asyncio.all_tasks():
            if getattr(task.get_coro(), "__qualname__", "") == "Port._let_in":
                task.cancel()


@pytest.mark.parametrize("tls", [True, False])
def test_who_is_cut_off_while_it_is_let_in_is_not_kept(authority: Authority, tls: bool) -> None:
    class Cutting(Open):
        def _new_peer(self) -> SocketPeer:
            return CutOffAtOnce(self._accept, self.strangers)

    async def scene() -> None:
        there = Cutting(PortConfig(port=0, certificate=authority.certificate() if tls else None))
        try:
            before = open_sockets()
            context = ssl.create_default_context(cafile=str(authority.file)) if tls else None
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", there.number, ssl=context)
                async with asyncio.timeout(PATIENCE):
                    assert await reader.read(1000) == b""
                writer.close()
            await there.wait(lambda: len(there.strangers) == 0 and open_sockets() <= before)
        finally:
            await there.close()

    play(scene)


@pytest.mark.parametrize("first", [b"", b"\x16", b"\x16\x03\x01\x02\x00", b"\x05\x00\x00\x00ab"])
@pytest.mark.parametrize("tls", [True, False])
def test_who_takes_too_long_is_cut_off_at_whatever_step_and_leaves_no_file_open(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, first: bytes, tls: bool
) -> None:
    for module in (port, peers):
        monkeypatch.setattr(module, "HELLO_TIMEOUT", 0.1)

    async def scene() -> None:
        async with opened(certificate=authority.certificate() if tls else None) as there:
            before = open_sockets()
            reader, writer = await asyncio.open_connection("127.0.0.1", there.number)
            writer.write(first)
            async with asyncio.timeout(PATIENCE):
                with contextlib.suppress(OSError):
                    while await reader.read(1000):
                        pass
            writer.close()
            await there.wait(lambda: len(there.strangers) == 0 and open_sockets() <= before)
            assert there.greeted == []

    play(scene)


@pytest.mark.parametrize("tls", [True, False])
def test_more_strangers_than_may_be_cost_the_oldest_whatever_step_it_is_at(authority: Authority, tls: bool) -> None:
    async def scene() -> None:
        async with opened(certificate=authority.certificate() if tls else None) as there:
            there.strangers._most = 3
            before = open_sockets()
            connections = [await asyncio.open_connection("127.0.0.1", there.number) for _ in range(10)]
            for reader, _ in connections[:7]:
                async with asyncio.timeout(PATIENCE):
                    with contextlib.suppress(OSError):
                        assert await reader.read() == b""
            assert len(there.strangers) == 3
            for _, writer in connections:
                writer.close()
            await there.wait(lambda: len(there.strangers) == 0 and open_sockets() <= before)

    play(scene)


def test_a_port_that_is_taken_is_told_with_what_to_do() -> None:
    async def scene() -> None:
        async with opened() as there:
            with pytest.raises(
                ServiceError, match=f"127.0.0.1:{there.number}: .*another program has that port.*--port"
            ):
                Open(PortConfig(port=there.number))

    play(scene)


def test_it_listens_on_ipv6_too() -> None:
    async def scene() -> None:
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            pytest.skip("this machine has no IPv6")
        async with opened(host="::1") as there:
            assert there.address == f"tcp:[::1]:{there.number}"
            stream = await asyncio.to_thread(open_stream, there.address)
            assert isinstance((await asyncio.to_thread(exchange, stream, Hello("client", "t")))[0], Agreed)
            stream.close()

    play(scene)


def test_a_certificate_that_was_renewed_is_used_from_the_next_connection_on(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene() -> None:
        path = authority.certificate(end=NOW + DAY)
        async with opened(certificate=path) as there:
            tls = there.port.tls
            assert tls is not None
            assert tls.expires_at == int((NOW + DAY).timestamp())
            authority.certificate(end=NOW + 2 * DAY)
            tls.refresh()
            assert tls.expires_at == int((NOW + 2 * DAY).timestamp())
            stream = await asyncio.to_thread(open_stream, f"tls:localhost:{there.number}", tls.fingerprint)
            stream.close()
            path.write_text("nonsense")
            tls.refresh()
            assert "the certificate is used as it was" in caplog.text
            (await asyncio.to_thread(open_stream, f"tls:localhost:{there.number}", tls.fingerprint)).close()

    play(scene)


@pytest.mark.parametrize("text", ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", None])
def test_files_that_are_no_certificate_are_told(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "server.pem"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ServiceError, match=f"cannot use the TLS certificate {path}"):
        Open(PortConfig(certificate=path))


def test_both_ends_agree_on_a_version_of_tls_that_is_not_old(authority: Authority) -> None:
    async def scene() -> None:
        async with opened(certificate=authority.certificate()) as there:
            old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
            old.maximum_version = ssl.TLSVersion.TLSv1_2
            _, writer = await asyncio.open_connection("127.0.0.1", there.number, ssl=old)
            assert writer.get_extra_info("ssl_object").version() == "TLSv1.2"
            writer.close()

    play(scene)


class Full:
    """A listening socket of a process that can have no more files for a moment."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self.fileno, self.close = listening.fileno, listening.close
        self.refused = 0

    def accept(self) -> tuple[socket.socket, Any]:
        if not self.refused:
            self.refused += 1
            raise OSError(errno.EMFILE, "Too many open files")
        return self._listening.accept()


def test_where_no_more_files_are_to_be_had_it_goes_on_when_some_are(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(port, "FULL_PAUSE", 0.01)

    async def scene() -> None:
        async with opened() as there:
            full = Full(there.port._listening or socket.socket())
            there.port._listening = cast(Any, full)
            stream = await asyncio.to_thread(open_stream, there.address)
            assert isinstance((await asyncio.to_thread(exchange, stream, Hello("client", "t")))[0], Agreed)
            stream.close()
        assert "nobody else can come in for now" in caplog.text
        assert full.refused == 1

    play(scene)
