"""A client whose server is gone goes on with the next one."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from motet.client.connection import Connection
from motet.client.resuming_link import CONFIRM_EVERY, ResumingLink
from motet.client.waiter import Waiter
from motet.errors import ConnectionError
from motet.model.function import AppSpec
from motet.model.outcome import CallKind, InputEnd, NewInput, OutcomeKind
from motet.wire import client_messages as m
from motet.wire import codec
from motet.wire.framing import FrameReader
from motet.wire.hello import Agreed, Hello, Refused

PATIENCE = 20.0


class FakeServer:
    """A server that says what the test has it say."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connections: list[Connection] = []
        self.listening: socket.socket
        self.peer: socket.socket
        self._reader = FrameReader()
        self._read: list[Any] = []
        self.listen()

    def listen(self) -> None:
        self.path.unlink(missing_ok=True)
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(str(self.path))
        self.listening.listen()
        self.listening.settimeout(PATIENCE)

    def accept(self, answer: Any) -> Hello:
        """Take the next connection; its hello."""
        self.peer, _ = self.listening.accept()
        self.peer.settimeout(PATIENCE)
        self._reader, self._read = FrameReader(), []
        hello = self.next()
        self.say(answer)
        return hello  # type: ignore[no-any-return]

    def next(self) -> Any:
        """The next message."""
        while not self._read:
            count = self.peer.recv_into(self._reader.buffer())
            if not count:
                raise EOFError
            for frame in self._reader.received(count):
                self._read += codec.decode_to_server(frame)
        return self._read.pop(0)

    def say(self, *messages: Any) -> None:
        self.peer.sendall(b"".join(codec.frames(list(messages))))

    def vanish(self) -> None:
        """As if it was killed."""
        self.listening.close()
        self.peer.close()

    def close(self) -> None:
        for connection in self.connections:
            connection.close()
        for sock in (self.listening, getattr(self, "peer", None)):
            if sock is not None:
                sock.close()


class Outcomes:
    """Waits for a call."""

    def __init__(self) -> None:
        self.all: list[InputEnd] = []
        self.waiter: Waiter[Exception | None] = Waiter(PATIENCE)

    def ended(self, ended: list[InputEnd]) -> None:
        self.all += ended
        self.waiter.set(None)

    def items(self, items: list[bytes]) -> None:
        """None come."""

    def lost(self, error: Exception) -> None:
        self.waiter.set(error)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FakeServer]:
    server = FakeServer(tmp_path / "socket")
    yield server
    server.close()


def connected(server: FakeServer, run: str = "se-1", patience: float = PATIENCE) -> Connection:
    agreed: Waiter[Agreed | None] = Waiter(PATIENCE)
    connection = Connection(on_answer=agreed.set)
    server.connections.append(connection)
    ResumingLink(f"unix:{server.path}", Hello("client", "", confirms=True), connection, patience=patience)
    assert server.accept(Agreed(1, run=run)).confirms
    agreed.wait()
    return connection


def call(connection: Connection, call_id: str = "fc-a", kind: CallKind = CallKind.ATTACHED) -> Outcomes:
    outcomes = Outcomes()
    connection.open_call(call_id, outcomes)
    connection.submit(call_id, "fu-f", kind, "", [NewInput(0, b"x")], None)
    return outcomes


def outcome(call_id: str = "fc-a", index: int = 0) -> m.Outcomes:
    return m.Outcomes(call_id, [InputEnd(index, OutcomeKind.SUCCESS, b"y")])


def test_what_is_unfinished_is_said_again(server: FakeServer) -> None:
    connection = connected(server)
    outcomes = call(connection)
    first = server.next()
    server.vanish()
    server.listen()
    server.accept(Agreed(1, run="se-2"))
    assert server.next() == msgspec.structs.replace(first, again=True)
    server.say(outcome())
    assert outcomes.waiter.wait() is None
    assert connection.agreed is not None


def test_what_is_said_while_there_is_no_server_is_said_to_the_next(server: FakeServer) -> None:
    connection = connected(server)
    early = call(connection, "fc-a")
    server.next()
    server.vanish()
    late = call(connection, "fc-b")  # it may not have noticed yet
    server.listen()
    server.accept(Agreed(1, run="se-2"))
    assert {server.next().call_id, server.next().call_id} == {"fc-a", "fc-b"}
    server.say(outcome("fc-a"), outcome("fc-b"))
    assert early.waiter.wait() is late.waiter.wait() is None


def test_a_next_one_that_is_not_ready_or_is_gone_at_once_is_tried_again(server: FakeServer) -> None:
    connection = connected(server)
    call(connection)
    server.vanish()
    server.listen()
    server.accept(Refused("it is just starting"))
    server.peer.close()
    server.accept(Agreed(1, run="se-2"))
    server.peer.close()
    server.accept(Agreed(1, run="se-3"))
    assert server.next().again


def test_the_same_server_has_given_it_up(server: FakeServer) -> None:
    connection = connected(server)
    outcomes = call(connection)
    server.peer.close()
    server.accept(Agreed(1, run="se-1"))
    error = outcomes.waiter.wait()
    assert isinstance(error, ConnectionError)
    assert str(error) == "the server closed the connection"


@pytest.mark.parametrize("how", ["a farewell", "no run", "no patience"])
def test_nobody_is_waited_for_when_nobody_comes(server: FakeServer, how: str) -> None:
    connection = connected(
        server, run="" if how == "no run" else "se-1", patience=0 if how == "no patience" else PATIENCE
    )
    outcomes = call(connection)
    if how == "a farewell":
        server.say(m.Farewell())
    server.vanish()
    assert isinstance(outcomes.waiter.wait(), ConnectionError)
    assert connection.ended


def test_who_waits_is_told_when_the_time_is_over(server: FakeServer) -> None:
    connection = connected(server, patience=0.05)
    outcomes = call(connection)
    server.vanish()
    with pytest.raises(ConnectionError, match=r"none has come in its place within 0.05 s \(MOTET_RECONNECT\)"):
        raise outcomes.waiter.wait() or AssertionError


def test_a_stream_is_not_gone_on_with(server: FakeServer) -> None:
    connection = connected(server)
    stream, other = call(connection, "fc-s", CallKind.STREAM), call(connection, "fc-a")
    server.vanish()
    assert isinstance(stream.waiter.wait(), ConnectionError)
    server.listen()
    server.accept(Agreed(1, run="se-2"))
    assert server.next().call_id == "fc-a"
    server.say(outcome())
    assert other.waiter.wait() is None


def test_it_can_be_closed_while_it_waits(server: FakeServer) -> None:
    connection = connected(server)
    outcomes = call(connection)
    server.vanish()
    connection.close()
    assert isinstance(outcomes.waiter.wait(), ConnectionError)


def test_it_says_which_outcomes_it_has_when_no_more_come(server: FakeServer) -> None:
    connection = connected(server)
    call(connection)
    server.next()
    server.say(outcome())
    assert server.next() == m.OutcomesTaken(1)
    call(connection, "fc-b")
    server.next()
    server.say(outcome("fc-b"))
    assert server.next() == m.OutcomesTaken(2)


def test_and_while_they_come_after_so_many(server: FakeServer) -> None:
    connection = connected(server)
    outcomes = call(connection)
    server.next()
    for index in range(CONFIRM_EVERY):
        server.say(outcome(index=index))
    assert server.next().count <= CONFIRM_EVERY
    outcomes.waiter.wait()


def test_a_server_that_nobody_comes_after_is_not_told(server: FakeServer) -> None:
    connection = connected(server, run="")
    outcomes = call(connection)
    server.next()
    server.say(outcome())
    outcomes.waiter.wait()
    connection.close()
    with pytest.raises(EOFError):
        server.next()


def test_nothing_is_said_of_an_app_before_the_next_server_has_it(server: FakeServer) -> None:
    """To place its source takes the server a while, and what comes in the meantime it would not know."""
    connection = connected(server)
    asked: Waiter[Any] = Waiter(PATIENCE)
    create = m.CreateApp("ap-1", AppSpec(name="shop", functions=()))
    connection.ask(create, asked.set)
    request = server.next()
    made = m.AppCreated([("k", "f", "fu-f")], [])
    server.say(m.Reply(request.request_id, made))
    asked.wait()
    call(connection)
    server.next()
    server.vanish()
    server.listen()
    server.accept(Agreed(1, run="se-2"))
    again = server.next()
    assert again.body == msgspec.structs.replace(create, functions=(("k", "f", "fu-f"),))
    call(connection, "fc-b")  # recorded, to be said after that
    server.peer.settimeout(0.1)
    with pytest.raises(TimeoutError):
        server.next()
    server.peer.settimeout(PATIENCE)
    server.say(m.Reply(again.request_id, made))
    assert [server.next().call_id, server.next().call_id] == ["fc-a", "fc-b"]
