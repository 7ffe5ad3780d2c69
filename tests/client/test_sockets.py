"""Sockets to a server: connecting, large frames, and the other end's end."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from motet.client.connection import Connection
from motet.client.dual import run_blocking
from motet.client.link import SocketLink
from motet.client.socket_path import socket_path
from motet.client.sockets import connect, read_frames, send_all
from motet.errors import ConnectionError, ExecutionError, InternalError, VersionError
from motet.wire import client_messages as m
from motet.wire import codec
from motet.wire.client_messages import ToClient
from motet.wire.hello import Hello, Refused

HELLO = Hello("client", "token", "ta-1")


class Listener:
    """A server socket of either kind, and its address."""

    def __init__(self, kind: str, directory: Path) -> None:
        if kind == "unix":
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            with socket_path(str(directory / "s")) as path:
                self.socket.bind(path)
            self.address = f"unix:{directory / 's'}"
        else:
            self.socket = socket.socket()
            self.socket.bind(("127.0.0.1", 0))
            self.address = f"tcp:127.0.0.1:{self.socket.getsockname()[1]}"
        self.socket.listen()

    def accept(self) -> socket.socket:
        self.socket.settimeout(5)
        peer = self.socket.accept()[0]
        peer.settimeout(5)
        return peer


@pytest.fixture(params=["unix", "unix with a long path", "tcp"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Listener]:
    kind, _, long = request.param.partition(" ")
    directory = tmp_path / ("long-" * 30 if long else ".")
    directory.mkdir(exist_ok=True)
    listener = Listener(kind, directory)
    yield listener
    listener.socket.close()


def first_messages(peer: socket.socket, count: int = 1) -> list[object]:
    """Read until `count` messages have come, in however many frames and reads."""
    messages: list[object] = []

    def take(frame: memoryview) -> None:
        messages.extend(codec.decode_to_server(frame))
        if len(messages) >= count:
            raise StopIteration

    with pytest.raises(StopIteration):
        read_frames(peer.recv_into, take)
    return messages


def test_the_first_thing_on_a_connection_is_a_hello(listener: Listener) -> None:
    with connect(listener.address, HELLO), listener.accept() as peer:
        assert first_messages(peer) == [HELLO]


@pytest.mark.parametrize("address", ["unix:/nowhere/at/all", "tcp:127.0.0.1:1", "tcp:host:port", "carrier-pigeon:coop"])
def test_no_connection_is_a_connection_error_with_the_address(address: str) -> None:
    with pytest.raises(ConnectionError, match=address):
        connect(address, HELLO)


def test_send_all_writes_more_than_fits_also_on_a_non_blocking_socket() -> None:
    data = bytes(range(256)) * 40_000
    left, right = socket.socketpair()
    left.setblocking(False)

    def read() -> bytes:
        got = bytearray()
        while chunk := right.recv(1 << 16):
            got += chunk
        return bytes(got)

    with right, ThreadPoolExecutor(1) as reader:
        received = reader.submit(read)
        with left:
            send_all(left, data)
        assert received.result(10) == data


def test_a_link_carries_requests_and_replies(listener: Listener) -> None:
    connection = Connection()
    link = SocketLink(listener.address, HELLO, connection)
    with listener.accept() as peer:

        def serve() -> None:
            def answer(frame: memoryview) -> None:
                for message in codec.decode_to_server(frame):
                    if isinstance(message, m.Request):
                        peer.sendall(b"".join(codec.frames([m.Reply(message.request_id, m.CallViewed(7, "fu-1"))])))

            read_frames(peer.recv_into, answer)

        thread = threading.Thread(target=serve)
        thread.start()
        assert run_blocking(connection.request(m.ViewCall("fc-1"), 5)).num_inputs == 7
        connection.close()
        link.close()
        thread.join(5)
        assert not thread.is_alive()


def test_when_the_server_goes_away_who_waits_is_told(listener: Listener) -> None:
    connection = Connection()
    SocketLink(listener.address, HELLO, connection)
    with listener.accept() as peer, ThreadPoolExecutor(1) as caller:
        asked = caller.submit(run_blocking, connection.request(m.ViewCall("fc-1"), 5))
        first_messages(peer, 2)  # the hello and the request: from here on the client only waits
        peer.shutdown(socket.SHUT_RDWR)
        with pytest.raises(ConnectionError, match="the server closed the connection"):
            asked.result(5)
    connection.close()


def test_a_server_that_talks_nonsense_is_a_connection_error(listener: Listener) -> None:
    connection = Connection()
    SocketLink(listener.address, HELLO, connection)
    with listener.accept() as peer, ThreadPoolExecutor(1) as caller:
        asked = caller.submit(run_blocking, connection.request(m.ViewCall("fc-1"), 5))
        peer.sendall(b"\x03\x00\x00\x00abc")
        with pytest.raises(ConnectionError, match="not Motet's"):
            asked.result(5)
    connection.close()


@pytest.mark.parametrize(
    ("refused", "kind"), [(Refused("too old", (3, 4)), VersionError), (Refused("not an operator"), ConnectionError)]
)
def test_a_refusal_is_told_to_who_waits(listener: Listener, refused: Refused, kind: type[Exception]) -> None:
    connection = Connection()
    SocketLink(listener.address, HELLO, connection)
    with listener.accept() as peer, ThreadPoolExecutor(1) as caller:
        asked = caller.submit(run_blocking, connection.request(m.ViewCall("fc-1"), 5))
        peer.sendall(b"".join(codec.frames([refused])))
        with pytest.raises(kind, match=f"the server refused the connection: {refused.reason}"):
            asked.result(5)
    connection.close()


def test_a_signal_handler_that_calls_while_its_thread_sends_is_refused_and_the_frame_stays_whole(
    listener: Listener,
) -> None:
    connection = Connection()
    link = SocketLink(listener.address, HELLO, connection)
    peer = listener.accept()
    refused: list[str] = []
    interrupted = threading.Event()

    def handle(*_: object) -> None:
        with pytest.raises(ExecutionError) as error:
            link.send([m.Forget(2)])
        refused.append(str(error.value))
        interrupted.set()

    def read() -> list[object]:
        peer.recv(len(b"".join(codec.frames([HELLO]))), socket.MSG_WAITALL)
        peer.recv(1, socket.MSG_PEEK)  # it is sending, and cannot end before it is read
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)
        interrupted.wait(5)
        return first_messages(peer, 2)

    large = m.FeedCall("fc-1", 0, [bytes(32 * 1024 * 1024)])
    usual = signal.signal(signal.SIGALRM, handle)
    try:
        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(read)
            link.send([large])
            link.send([m.Forget(1)])
            assert reading.result() == [large, m.Forget(1)]
    finally:
        signal.signal(signal.SIGALRM, usual)
        link.close()
        peer.close()
    assert ["a signal handler" in each for each in refused] == [True]


class Unfit(Connection):
    """Its user raises when it is told something."""

    def receive(self, messages: Sequence[ToClient]) -> None:
        raise ZeroDivisionError("a bug")


def test_when_an_answer_cannot_be_taken_in_who_waits_is_told(
    listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    connection = Unfit()
    link = SocketLink(listener.address, HELLO, connection)
    with listener.accept() as peer, ThreadPoolExecutor(1) as caller:
        asked = caller.submit(run_blocking, connection.request(m.ViewCall("fc-1"), 5))
        first_messages(peer, 2)
        peer.sendall(b"".join(codec.frames([m.Reply(1, m.Done())])))
        with pytest.raises(InternalError, match="ZeroDivisionError: a bug"):
            asked.result(5)
    link.close()
    assert [each.name for each in caplog.records] == ["motet.client"]
