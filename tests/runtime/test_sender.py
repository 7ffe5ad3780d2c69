"""What a container sends: outcomes together, in order, from any thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from motet.model.outcome import AttemptEnd, OutcomeKind
from motet.runtime.sender import Sender
from motet.wire import codec
from motet.wire.container_messages import Finished, Ready
from motet.wire.framing import FrameReader
from tests.runtime.receiver import Receiver


def end(number: int) -> AttemptEnd:
    return AttemptEnd(number, OutcomeKind.SUCCESS, b"x")


def test_outcomes_that_are_queued_together_leave_together_in_order(receiver: Receiver) -> None:
    for number in range(5):
        receiver.sender.finish(end(number))
    receiver.sender.flush()
    receiver.sender.flush()
    assert receiver.all() == [Finished([end(number) for number in range(5)])]


def test_a_message_goes_before_outcomes_queued_after_it(receiver: Receiver) -> None:
    receiver.sender.send(Ready())
    receiver.sender.finish(end(1))
    receiver.sender.flush()
    assert receiver.all() == [Ready(), Finished([end(1)])]


def test_no_outcome_is_lost_or_sent_twice_by_threads_that_flush_at_once(receiver: Receiver) -> None:
    def work(start: int) -> None:
        for number in range(start, start + 500):
            receiver.sender.finish(end(number))
            receiver.sender.flush()

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(work, n * 500) for n in range(8)]:
            done.result(10)
    sent = [it.attempt for message in receiver.all() for it in message.attempts]
    assert sorted(sent) == list(range(4000))


class Interrupted:
    """A socket to which a message takes so long that another input ends meanwhile."""

    def __init__(self) -> None:
        self.sender = Sender(self)  # type: ignore[arg-type]
        self.sent: list[Any] = []

    def send(self, data: bytes | memoryview, flags: int = 0) -> int:
        reader = FrameReader()
        reader.buffer()[: len(data)] = data
        for frame in reader.received(len(data)):
            self.sent += codec.decode_to_server(frame)
        if len(self.sent) == 1:
            self.sender.finish(end(1))
            self.sender.flush()
        return len(data)


def test_an_outcome_that_comes_while_a_message_is_sent_leaves_right_after_it() -> None:
    interrupted = Interrupted()
    interrupted.sender.send(Ready())
    assert interrupted.sent == [Ready(), Finished([end(1)])]
