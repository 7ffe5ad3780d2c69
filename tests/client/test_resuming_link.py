"""A client whose server is gone goes on with the next one."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from motet.client import resuming_link
from motet.client.connection import Connection
from motet.client.resuming_link import CONFIRM_EVERY, ResumingLink
from motet.client.waiter import Waiter
from motet.errors import ConnectionError
from motet.model.function import AppSpec
from motet.model.outcome import CallKind, InputEnd, NewInput, OutcomeKind
from motet.wire import client_messages as m
from motet.wire import codec
from motet.wire.conversation_messages import NOT_COUNTED, Goodbye, OutcomesTaken, Taken
from motet.wire.framing import FrameReader
from motet.wire.hello import Agreed, Hello, Refused

PATIENCE = 20.0


class FakeServer:
    """A server that says what the test has it say."""

    def __init__(self, path: Path | None) -> None:
        """At a Unix socket, or else at a port."""
        self.path = path
        self._port = 0
        self.connections: list[Connection] = []
        self.listening: socket.socket
        self.peer: socket.socket
        self._reader = FrameReader()
        self._read: list[Any] = []
        self.listen()

    def listen(self) -> None:
        if self.path is None:
            self.listening = socket.socket()
            self.listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.listening.bind(("127.0.0.1", self._port))
            self._port = self.listening.getsockname()[1]
        else:
            self.path.unlink(missing_ok=True)
            self.listening = socket.socket(socket.AF_UNIX)
            self.listening.bind(str(self.path))
        self.listening.listen()
        self.listening.settimeout(PATIENCE)

    @property
    def address(self) -> str:
        return f"tcp:127.0.0.1:{self._port}" if self.path is None else f"unix:{self.path}"

    def accept(self, answer: Any) -> Hello:
        """Take the next connection; its hello. `answer`: what is said to it, or what makes that of it."""
        before = getattr(self, "peer", None)
        self.peer, _ = self.listening.accept()
        if before is not None:
            before.close()
        self.peer.settimeout(PATIENCE)
        self._reader, self._read = FrameReader(), []
        hello = self.next()
        self.say(answer(hello) if callable(answer) else answer)
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

    def next_said(self) -> Any:
        """The next message that is not about the conversation itself."""
        while isinstance(message := self.next(), NOT_COUNTED):
            pass
        return message

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
    ResumingLink(server.address, Hello("client", "", confirms=True), connection, patience=patience)
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
    assert server.next() == OutcomesTaken(1)
    call(connection, "fc-b")
    server.next()
    server.say(outcome("fc-b"))
    assert server.next() == OutcomesTaken(2)


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


# --- a server elsewhere: the connection breaks, and the server lives -----------------------------------------------------


@pytest.fixture
def far() -> Iterator[FakeServer]:
    server = FakeServer(None)
    yield server
    server.close()


def far_connection(server: FakeServer, silence: float = PATIENCE, **agreed: Any) -> Connection:
    """One over which the server has agreed to a conversation."""
    waiter: Waiter[Agreed | None] = Waiter(PATIENCE)
    connection = Connection(on_answer=waiter.set)
    server.connections.append(connection)
    hello = Hello("client", "", confirms=True)
    ResumingLink(server.address, hello, connection, patience=PATIENCE, silence=silence)
    hello = server.accept(Agreed(1, run="se-1", conversation_token="talk-1", **agreed))
    assert (hello.lasts, hello.conversation_token, hello.taken) == (True, "", 0)
    waiter.wait()
    return connection


def taken_up(server: FakeServer, taken: int) -> Hello:
    """The client comes back, and is told that the server has so many of its messages."""
    hello = server.accept(Agreed(1, run="se-1", conversation_token="talk-1", taken=taken))
    assert hello.conversation_token == "talk-1"
    return hello


@pytest.mark.parametrize(("taken", "said_again"), [(0, ["fc-a", "fc-b"]), (1, ["fc-b"]), (2, [])])
def test_the_same_server_is_told_what_it_lacks_and_nothing_else(
    far: FakeServer, taken: int, said_again: list[str]
) -> None:
    connection = far_connection(far)
    first, second = call(connection, "fc-a"), call(connection, "fc-b")
    submitted = {each.call_id: each for each in (far.next(), far.next())}
    far.peer.close()
    assert taken_up(far, taken).taken == 0
    assert [far.next() for _ in said_again] == [submitted[each] for each in said_again]
    far.say(outcome("fc-a"), outcome("fc-b"))
    assert first.waiter.wait() is second.waiter.wait() is None
    assert [len(first.all), len(second.all)] == [1, 1]


def test_what_is_said_while_the_connection_is_broken_is_said_over_the_next(far: FakeServer) -> None:
    connection = far_connection(far)
    early = call(connection, "fc-a")
    assert far.next().call_id == "fc-a"
    far.peer.close()
    late = call(connection, "fc-b")  # it may not have noticed yet
    taken_up(far, 1)
    assert far.next().call_id == "fc-b"
    far.say(outcome("fc-a"), outcome("fc-b"))
    assert early.waiter.wait() is late.waiter.wait() is None


def test_it_says_how_many_messages_it_has_when_it_comes_back(far: FakeServer) -> None:
    connection = far_connection(far)
    first, second = call(connection, "fc-a"), call(connection, "fc-b")
    far.next(), far.next()
    far.say(Taken(2))  # about the conversation, and no part of it
    far.say(outcome("fc-a"))
    assert first.waiter.wait() is None
    assert (far.next(), far.next()) == (OutcomesTaken(1), Taken(1))
    far.peer.close()
    assert taken_up(far, 2).taken == 1
    far.say(outcome("fc-b"))
    assert second.waiter.wait() is None
    assert (far.next(), far.next()) == (OutcomesTaken(2), Taken(2))


@pytest.mark.parametrize("how_often", [1, 3])
def test_a_return_that_breaks_before_its_answer_is_tried_again(far: FakeServer, how_often: int) -> None:
    connection = far_connection(far)
    outcomes = call(connection)
    submitted = far.next()
    far.peer.close()
    for _ in range(how_often):
        peer, _ = far.listening.accept()
        peer.close()
    taken_up(far, 0)
    assert far.next() == submitted
    far.say(outcome())
    assert outcomes.waiter.wait() is None


def test_what_follows_the_answer_in_one_piece_is_heard(far: FakeServer) -> None:
    connection = far_connection(far)
    outcomes = call(connection)
    far.next()
    far.peer.close()
    peer, _ = far.listening.accept()
    with peer:
        answer = codec.frames([Agreed(1, run="se-1", conversation_token="talk-1", taken=1)])
        peer.sendall(b"".join([*answer, *codec.frames([outcome()])]))
        assert outcomes.waiter.wait() is None


def test_a_stream_goes_on_over_the_next_connection_to_the_same_server(far: FakeServer) -> None:
    connection = far_connection(far)
    stream = call(connection, kind=CallKind.STREAM)
    far.next()
    far.peer.close()
    taken_up(far, 1)
    far.say(outcome())
    assert stream.waiter.wait() is None


def test_the_next_server_is_told_all_that_is_unfinished_in_a_conversation_of_its_own(far: FakeServer) -> None:
    connection = far_connection(far)
    stream, other = call(connection, "fc-s", CallKind.STREAM), call(connection, "fc-a")
    far.next(), far.next()
    far.peer.close()
    far.accept(Agreed(1, run="se-2", conversation_token="talk-2"))
    assert str(stream.waiter.wait()) == "the server was gone while this stream was under way"
    again = far.next()
    assert (again.call_id, again.again) == ("fc-a", True)
    far.peer.close()
    hello = far.accept(Agreed(1, run="se-2", conversation_token="talk-2", taken=1))
    assert (hello.conversation_token, hello.taken) == ("talk-2", 0)
    far.say(outcome())
    assert other.waiter.wait() is None


def made_again(far: FakeServer) -> tuple[Connection, m.Request, m.AppCreated]:
    """A client with an app and a call, and the next server, which has been asked for the app and has not answered."""
    connection = far_connection(far)
    asked: Waiter[Any] = Waiter(PATIENCE)
    connection.ask(m.CreateApp("ap-1", AppSpec(name="shop", functions=())), asked.set)
    made = m.AppCreated([("k", "f", "fu-f")], [])
    far.say(m.Reply(far.next().request_id, made))
    asked.wait()
    call(connection, "fc-a")
    far.next_said()
    far.peer.close()
    far.accept(Agreed(1, run="se-2", conversation_token="talk-2"))
    return connection, far.next(), made


def test_what_is_said_while_the_next_server_makes_an_app_again_is_counted_once(far: FakeServer) -> None:
    connection, again, made = made_again(far)
    call(connection, "fc-b")  # is said after the answer, with all the rest
    far.say(m.Reply(again.request_id, made))
    assert [far.next_said().call_id, far.next_said().call_id] == ["fc-a", "fc-b"]
    far.peer.close()
    far.accept(Agreed(1, run="se-2", conversation_token="talk-2", taken=3))
    call(connection, "fc-c")
    assert far.next_said().call_id == "fc-c"


def test_a_connection_that_breaks_while_the_next_server_makes_an_app_again(far: FakeServer) -> None:
    connection, again, made = made_again(far)
    far.peer.close()
    far.accept(Agreed(1, run="se-2", conversation_token="talk-2", taken=1))
    call(connection, "fc-b")
    far.say(m.Reply(again.request_id, made))
    assert [far.next_said().call_id, far.next_said().call_id] == ["fc-a", "fc-b"]
    call(connection, "fc-c")
    assert far.next_said().call_id == "fc-c"


def test_a_server_that_has_not_waited_is_told_of_in_words(far: FakeServer) -> None:
    connection = far_connection(far)
    outcomes = call(connection)
    far.next()
    far.peer.close()
    far.accept(Agreed(1, run="se-1", conversation_token="talk-2"))
    error = outcomes.waiter.wait()
    assert isinstance(error, ConnectionError)
    assert "has not waited for this program to come back (MOTET_CONNECTION_GRACE of the server)" in str(error)


def test_a_server_that_cannot_have_what_it_says_it_has_is_told_of(far: FakeServer) -> None:
    connection = far_connection(far)
    outcomes = call(connection)
    submitted = far.next()
    far.peer.close()
    taken_up(far, 7)
    taken_up(far, 0)
    assert far.next() == submitted
    far.say(outcome())
    assert outcomes.waiter.wait() is None


def test_an_older_server_keeps_no_conversation(far: FakeServer) -> None:
    agreed: Waiter[Agreed | None] = Waiter(PATIENCE)
    connection = Connection(on_answer=agreed.set)
    far.connections.append(connection)
    ResumingLink(far.address, Hello("client", "", confirms=True), connection, silence=0.05)
    far.accept(Agreed(1, run="se-1"))
    agreed.wait()
    outcomes = call(connection)
    far.next()
    far.say(outcome())
    assert outcomes.waiter.wait() is None
    assert far.next() == OutcomesTaken(1)
    other = call(connection, "fc-b")
    far.peer.close()
    far.accept(Agreed(1, run="se-1"))
    assert str(other.waiter.wait()) == "the server closed the connection"


@pytest.mark.parametrize("how", ["is closed", "is left open by a program that ends"])
def test_who_leaves_says_goodbye(far: FakeServer, how: str) -> None:
    connection = far_connection(far)
    if how == "is closed":
        connection.close()
    else:
        resuming_link._say_goodbyes()
    assert far.next() == Goodbye()


def test_a_silent_server_is_asked_for_a_sign_and_then_left_for_another_connection(far: FakeServer) -> None:
    connection = far_connection(far, silence=1.0)
    outcomes = call(connection)
    submitted = far.next()
    assert far.next() == Taken(0)
    taken_up(far, 0)
    assert far.next_said() == submitted
    far.say(outcome())
    assert outcomes.waiter.wait() is None


def test_a_server_that_speaks_is_not_left_however_little_it_says(far: FakeServer) -> None:
    connection = far_connection(far, silence=1.5)
    outcomes = call(connection)
    far.next()
    for _ in range(4):  # in more time than that: each follows a sign of the client, which says one in a third of it
        assert far.next() == Taken(0)
        far.say(Taken(1))
    far.say(outcome())
    assert outcomes.waiter.wait() is None


def test_who_sends_to_a_server_that_does_not_read_waits_no_longer_than_for_a_silent_one(far: FakeServer) -> None:
    connection = far_connection(far, silence=0.6)
    outcomes = Outcomes()
    connection.open_call("fc-a", outcomes)
    connection.submit("fc-a", "fu-f", CallKind.ATTACHED, "", [NewInput(0, bytes(32 * 1024 * 1024))], None)
    taken_up(far, 0)
    assert len(far.next_said().inputs[0].payload) == 32 * 1024 * 1024
    far.say(outcome())
    assert outcomes.waiter.wait() is None


def test_who_sends_to_a_server_that_has_said_what_it_has_and_stands_still_waits_no_longer(far: FakeServer) -> None:
    """Who reads does not wait for who sends: it would never notice that the server is silent."""
    connection = far_connection(far, silence=2.0)
    call(connection, "fc-a")
    far.next_said()
    outcomes = Outcomes()
    connection.open_call("fc-b", outcomes)
    sending = threading.Thread(
        target=connection.submit,
        args=("fc-b", "fu-f", CallKind.ATTACHED, "", [NewInput(0, bytes(32 * 1024 * 1024))], None),
    )
    sending.start()
    assert len(far.peer.recv(1)) == 1  # it is being sent: the lock is held until all of it is read
    far.say(Taken(1))
    taken_up(far, 1)
    assert len(far.next_said().inputs[0].payload) == 32 * 1024 * 1024
    sending.join(PATIENCE)
    far.say(outcome("fc-b"))
    assert outcomes.waiter.wait() is None


@pytest.mark.parametrize("where", ["here", "far"])
def test_the_socket_of_a_server_that_is_gone_is_let_go_of(server: FakeServer, far: FakeServer, where: str) -> None:
    gone = server if where == "here" else far
    connection = connected(gone, run="") if where == "here" else far_connection(far)
    link = connection._link
    assert isinstance(link, ResumingLink)
    if where == "far":
        gone.say(m.Farewell())
    gone.vanish()
    link._received.wait()
    assert link._stream._socket.fileno() == -1  # type: ignore[attr-defined]
