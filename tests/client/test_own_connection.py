"""A connection for each process that forks make."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence

import pytest

from motet.client.connection import Connection
from motet.client.dual import run_blocking
from motet.client.outgoing import Outgoing
from motet.client.own_connection import OwnConnection
from motet.errors import ConnectionError
from motet.wire.client_messages import ViewCall
from motet.wire.message import Message


class Link:
    """Counts what is sent and closed."""

    def __init__(self, connection: Connection) -> None:
        self.sent = self.closed = 0
        connection.attach(self)

    def send(self, messages: Sequence[Message]) -> None:
        self.sent += len(messages)

    def send_outgoing(self, outgoing: Outgoing) -> None:
        self.send(list(outgoing.take()))

    def close(self) -> None:
        self.closed += 1


def connected() -> Connection:
    connection = Connection()
    Link(connection)
    return connection


def in_child(work: Callable[[], object]) -> str:
    """What `work` returns or raises in a forked process."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            said = str(work())
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


def test_threads_that_ask_first_at_the_same_time_get_one_connection() -> None:
    made: list[Connection] = []
    own = OwnConnection(lambda: made.append(connected()) or made[-1])
    got: list[Connection] = []
    threads = [threading.Thread(target=lambda: got.append(own())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == made * 8


def test_a_forked_process_makes_a_connection_of_its_own_and_the_parent_keeps_its() -> None:
    made: list[Connection] = []
    own = OwnConnection(lambda: made.append(connected()) or made[-1])
    first = own()
    assert in_child(lambda: own() is not first and own() is made[1] and len(made) == 2) == "True"
    assert own() is first
    assert made == [first]


def test_what_the_parent_had_begun_ends_in_the_child_without_a_word_to_the_server() -> None:
    first = connected()
    own = OwnConnection(connected, first)
    link = first._link
    assert isinstance(link, Link)
    told: list[object] = []
    number = first.ask(ViewCall("fc-1"), told.append)
    own.leave_to_parent()
    first.forget(number)
    first.close()
    assert [str(error) for error in told] == [str(first._error)]
    assert "which alone can go on with it" in str(first._error)
    with pytest.raises(ConnectionError, match="new calls work in both"):
        run_blocking(first.request(ViewCall("fc-2")))
    assert (link.sent, link.closed) == (1, 0)


def test_a_fork_while_another_thread_connects_does_not_hang_the_child() -> None:
    connecting, go_on = threading.Event(), threading.Event()

    def slow() -> Connection:
        connecting.set()
        go_on.wait()
        return connected()

    own = OwnConnection(slow)
    thread = threading.Thread(target=own)
    thread.start()
    connecting.wait()

    def work() -> object:
        go_on.set()
        return own() is not None

    assert in_child(work) == "True"
    go_on.set()
    thread.join()


def test_a_connection_that_was_made_and_has_ended_is_made_once_more() -> None:
    own = OwnConnection(connected)
    first = own()
    assert own() is first
    first.lost(ConnectionError("a frame was refused"))
    assert own() is own() is not first
    assert not own().ended


def test_the_connection_that_was_there_already_is_not_replaced_when_it_has_ended() -> None:
    there = connected()
    own = OwnConnection(connected, there)
    there.lost(ConnectionError("the server has stopped"))
    assert own() is there
