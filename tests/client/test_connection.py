"""A client's side of its connection, on a link in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from motet.client.connection import Connection
from motet.client.dual import run_blocking
from motet.client.outgoing import Outgoing
from motet.errors import ConnectionError, NotFoundError
from motet.model.outcome import CallKind, InputEnd, NewInput, OutcomeKind
from motet.wire import client_messages as m
from motet.wire import report
from motet.wire.hello import Refused
from motet.wire.message import Message
from motet.wire.queue_messages import AnswerNow, Confirm, GetItems, ItemsGot


class Link:
    """Keeps what is sent, and answers requests with `answers`, in order."""

    def __init__(self, connection: Connection, *answers: Any) -> None:
        self.sent: list[Any] = []
        self.closed = False
        self._answers = list(answers)
        self._connection = connection
        connection.attach(self)

    def send(self, messages: Sequence[Message]) -> None:
        self.sent += messages
        for message in messages:
            if isinstance(message, m.Request) and self._answers:
                self._connection.receive([m.Reply(message.request_id, self._answers.pop(0))])

    def send_outgoing(self, outgoing: Outgoing) -> None:
        self.send(list(outgoing.take()))

    def close(self) -> None:
        self.closed = True


class Sink:
    def __init__(self) -> None:
        self.got: list[Any] = []

    def ended(self, ended: list[InputEnd]) -> None:
        self.got.append(ended)

    def items(self, items: list[bytes]) -> None:
        self.got.append(items)

    def lost(self, error: Exception) -> None:
        self.got.append(error)


def ended(index: int = 0) -> list[InputEnd]:
    return [InputEnd(index, OutcomeKind.SUCCESS, b"x")]


def test_a_request_gets_the_reply_with_its_number() -> None:
    connection = Connection()
    Link(connection, m.CallViewed(3, "fu-1"), m.Done())
    assert run_blocking(connection.request(m.ViewCall("fc-1"))).num_inputs == 3
    assert run_blocking(connection.request(m.StopApp("ap-1"))) == m.Done()


def test_a_refused_request_raises_the_servers_error() -> None:
    connection = Connection()
    Link(connection, m.RequestFailed(report.of(NotFoundError("no such call"))))
    with pytest.raises(NotFoundError, match="no such call"):
        run_blocking(connection.request(m.ViewCall("fc-1")))


def test_a_request_that_takes_too_long_is_forgotten_and_a_late_reply_ignored() -> None:
    connection = Connection()
    link = Link(connection)
    with pytest.raises(TimeoutError):
        run_blocking(connection.request(m.AwaitOutcomes("fc-1", 0), 0.01))
    number = link.sent[0].request_id
    assert link.sent[1] == m.Forget(number)
    connection.receive([m.Reply(number, m.Outcomes("fc-1", ended()))])


def test_outcomes_and_items_go_to_the_sink_of_their_call_until_it_is_closed() -> None:
    connection = Connection()
    link = Link(connection)
    one, other = Sink(), Sink()
    connection.open_call("fc-1", one)
    connection.open_call("fc-2", other)
    connection.submit("fc-1", "fu-1", CallKind.ATTACHED, "", [NewInput(0, b"x")], None)
    connection.receive([m.Outcomes("fc-1", ended()), m.CallItems("fc-2", 0, [b"i"]), m.Outcomes("fc-3", ended())])
    connection.close_call("fc-1", cancel=False)
    connection.close_call("fc-2", cancel=True)
    connection.receive([m.Outcomes("fc-1", ended())])
    assert (one.got, other.got) == ([ended()], [[b"i"]])
    assert link.sent[-1] == m.CancelCall("fc-2")
    assert m.CancelCall("fc-1") not in link.sent


def test_output_goes_to_the_listener_of_its_app() -> None:
    connection = Connection()
    Link(connection)
    got: list[m.OutputLines] = []
    lines = m.OutputLines("ap-1", "f", "ta-1", "stdout", ["hello"])
    connection.receive([lines])
    connection.listen("ap-1", got.append)
    connection.receive([lines])
    connection.listen("ap-1", None)
    connection.receive([lines])
    assert got == [lines]


def test_when_the_connection_ends_everybody_who_waits_is_told_once() -> None:
    connection = Connection()
    Link(connection)
    sink, replies = Sink(), []
    connection.open_call("fc-1", sink)
    connection.ask(m.ViewCall("fc-1"), replies.append)
    connection.lost(ConnectionError("gone"))
    connection.lost(ConnectionError("gone again"))
    assert [str(it) for it in (*sink.got, *replies)] == ["gone", "gone"]


def test_after_its_end_everything_raises_and_cleaning_up_does_not() -> None:
    connection = Connection()
    link = Link(connection)
    connection.close()
    connection.close()
    assert link.closed
    with pytest.raises(ConnectionError, match="closed"):
        run_blocking(connection.request(m.ViewCall("fc-1")))
    with pytest.raises(ConnectionError, match="closed"):
        connection.submit("fc-1", "fu-1", CallKind.ATTACHED, "", [], None)
    connection.close_call("fc-1", cancel=True)
    connection.forget(1)


def test_being_refused_is_the_end_with_the_servers_reason() -> None:
    connection = Connection()
    Link(connection)
    connection.receive([Refused("not today")])
    with pytest.raises(ConnectionError, match="not today"):
        run_blocking(connection.request(m.ViewCall("fc-1")))


def test_a_reply_in_parts_is_given_whole_and_once() -> None:
    connection = Connection()
    link = Link(connection)
    got: list[Any] = []
    number = connection.ask(GetItems("qu-1", "", 5, False), got.append)
    other = connection.ask(GetItems("qu-1", "", 5, False), got.append)
    connection.receive([m.Reply(number, ItemsGot([b"1", b"2"]), True), m.Reply(other, ItemsGot([b"x"]))])
    connection.receive([m.Reply(number, ItemsGot([b"3"]), True)])
    assert got == [ItemsGot([b"x"])]
    connection.receive([m.Reply(number, ItemsGot([b"4"]))])
    assert got[1:] == [ItemsGot([b"1", b"2", b"3", b"4"])]
    assert len(link.sent) == 2


def test_parts_of_a_reply_that_nobody_wants_any_more_are_not_kept() -> None:
    connection = Connection()
    Link(connection)
    got: list[Any] = []
    forgotten = connection.ask(GetItems("qu-1", "", 5, False), got.append)
    connection.receive([m.Reply(forgotten, ItemsGot([b"1"]), True)])
    connection.forget(forgotten)
    connection.receive([m.Reply(forgotten, ItemsGot([b"2"]), True), m.Reply(forgotten, ItemsGot([b"3"]))])
    assert got == []
    assert connection._parts == {}


def exchange(connection: Connection, timeout: float | None = None) -> Any:
    """Ask for items; take as many as there are."""
    ask = GetItems("qu-1", "", 2, True)
    return run_blocking(connection.exchange(ask, timeout, lambda reply: (reply.items, len(reply.items))))


def test_an_exchange_confirms_what_has_arrived() -> None:
    connection = Connection()
    link = Link(connection, ItemsGot([b"1", b"2"]))
    assert exchange(connection) == [b"1", b"2"]
    assert link.sent[1:] == [Confirm(1, 2)]


def test_an_exchange_that_cannot_be_used_is_taken_back() -> None:
    connection = Connection()
    link = Link(connection, ItemsGot([b"1"]))

    def refuse(reply: Any) -> Any:
        raise ValueError(reply.items)

    with pytest.raises(ValueError, match="1"):
        run_blocking(connection.exchange(GetItems("qu-1", "", 2, True), None, refuse))
    assert link.sent[1:] == [m.Forget(1)]


def test_an_exchange_out_of_time_asks_for_the_answer_and_takes_what_it_says() -> None:
    class LateLink(Link):
        """Answers when it is asked to answer now."""

        def send(self, messages: Sequence[Message]) -> None:
            super().send(messages)
            if isinstance(messages[0], AnswerNow):
                connection.receive([m.Reply(messages[0].request_id, ItemsGot([b"1"]))])

    connection = Connection()
    link = LateLink(connection)
    assert exchange(connection, timeout=0.0) == [b"1"]
    assert link.sent[1:] == [AnswerNow(1), Confirm(1, 1)]


def test_an_exchange_given_up_is_taken_back_although_its_reply_is_there() -> None:
    connection = Connection()
    link = Link(connection, ItemsGot([b"1"]))
    steps = connection.exchange(GetItems("qu-1", "", 1, True), None, lambda reply: (reply, 1))
    next(steps)
    with pytest.raises(KeyboardInterrupt):
        steps.throw(KeyboardInterrupt())
    assert link.sent[1:] == [m.Forget(1)]
