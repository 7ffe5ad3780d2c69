"""A link to a server that stays, and that may be killed and started again: the client goes on with the next one."""

from __future__ import annotations

from collections.abc import Sequence

from motet.client.connection import Connection
from motet.client.gate import shield_cancellation
from motet.client.link import SocketLink
from motet.client.sockets import read_frames
from motet.client.streams import ByteStream
from motet.client.unfinished import Unfinished
from motet.errors import ConnectionError, ServiceError
from motet.wire import codec
from motet.wire.client_messages import Farewell, Outcomes, OutcomesTaken, Reply
from motet.wire.hello import Agreed, Hello, Refused
from motet.wire.message import Message

RECONNECT_TIMEOUT = 60.0
"""Seconds for which the next server is waited for, unless MOTET_RECONNECT says otherwise."""
ANSWER_TIMEOUT = 10.0
"""Seconds that one that is there may take to answer."""
RETRY_INTERVAL = 0.1

CONFIRM_AFTER = 0.02
"""Seconds without news after which the server is told which outcomes are here; while more come, after so many of them:"""
CONFIRM_EVERY = 64


class ResumingLink(SocketLink):
    """As `SocketLink`. When the server is gone without a farewell, its successor is waited for and told all that is unfinished.

    It tells the server which outcomes are here, so that containers need not keep them. What runs only here is not waited for:
    streams end with a `ConnectionError` at once.
    """

    def __init__(
        self,
        address: str,
        hello: Hello,
        connection: Connection,
        fingerprint: str = "",
        patience: float = RECONNECT_TIMEOUT,
    ) -> None:
        self._address = address
        self._hello = hello
        self._fingerprint = fingerprint
        self._patience = patience
        self._unfinished = Unfinished()
        self._run = ""
        """Which run of the server this is; empty: one that nothing comes after."""
        self._is_ending = False
        """The server has said that it ends in order."""
        self._is_lost = self._is_closed = False
        self._awaited: set[int] = set()
        """Requests for apps that were made again, and are not answered yet."""
        self._taken = self._confirmed = 0
        self._is_timed = False
        super().__init__(address, hello, connection, fingerprint)

    def send(self, messages: Sequence[Message]) -> None:
        data = b"".join(codec.frames(messages))
        with shield_cancellation(), self._lock:
            for message in messages:
                self._unfinished.sent(message)
            if self._is_lost:  # the next server is told of it
                return
            try:
                self._send_whole(data)
            except OSError as error:
                if not self._run or self._is_ending:
                    raise ConnectionError(f"the connection to the server is gone: {error}") from error
                self._is_lost = True

    def close(self) -> None:
        self._is_closed = True
        super().close()

    # --- on the thread that receives ------------------------------------------------------------------------------------

    def _read(self) -> None:
        while True:
            problem = self._read_to_end()
            with self._lock:
                self._is_lost = True
            if not self._may_come_back(problem):
                break
            if (reason := self._come_back()) is not None:
                problem = reason
                break
        self._connection.lost(problem)

    def _may_come_back(self, problem: Exception) -> bool:
        return (
            bool(self._run)
            and self._patience > 0
            and isinstance(problem, ConnectionError)
            and not (self._is_ending or self._is_closed or self._connection.ended)
        )

    def _say_rest(self) -> None:
        """Say all else that is unfinished, once the apps are there: to place their source takes the server a while."""
        if not self._awaited:
            for message in self._unfinished.again():
                for data in codec.frames([message]):
                    self._send_whole(data)
            self._is_lost = False

    def _take_in(self, frame: memoryview) -> None:
        messages = codec.decode_to_client(frame)
        for message in messages:
            if isinstance(message, Reply) and message.request_id in self._awaited:
                with self._lock:
                    self._awaited.discard(message.request_id)
                    self._say_rest()
            if isinstance(message, Outcomes):
                self._taken += len(message.ended)
            elif isinstance(message, Agreed):
                self._run = message.run
            elif isinstance(message, Farewell):
                self._is_ending = True
        self._connection.receive([message for message in messages if self._unfinished.received(message)])
        if self._taken - self._confirmed >= CONFIRM_EVERY:
            self._confirm()

    def _receive_into(self, view: memoryview) -> int:
        while True:
            if self._taken > self._confirmed and self._run and not self._is_timed:
                self._stream.expect_bytes(CONFIRM_AFTER)
                self._is_timed = True
            try:
                return self._stream.receive_into(view)
            except BlockingIOError:
                if self._confirm():
                    self._stream.expect_bytes(0)
                    self._is_timed = False

    def _confirm(self) -> bool:
        """Without a wait: the server may wait for this thread to read. Whether it was said."""
        if not self._run:
            self._confirmed = self._taken
            return True
        if not self._lock.acquire(blocking=False):
            return False
        try:
            if self._is_lost or not self._stream.can_send():
                return False
            self._stream.send(b"".join(codec.frames([OutcomesTaken(self._taken)])))
            self._confirmed = self._taken
            return True
        except OSError:  # which is seen where it is read
            return True
        finally:
            self._lock.release()

    def _come_back(self) -> Exception | None:
        """Go on with the next server; why there is none."""
        for call_id in self._unfinished.take_streams():
            self._connection.end_call(call_id, ConnectionError("the server was gone while this stream was under way"))
        deadline = self._ground.now() + self._patience
        why = "nobody listens there"
        while self._ground.now() < deadline and not self._is_closed:
            try:
                stream, agreed = self._greet()
            except (OSError, ConnectionError, ServiceError) as error:
                why = str(error)
                self._ground.sleep(RETRY_INTERVAL)
                continue
            if agreed.run == self._run:
                stream.close()
                return ConnectionError("the server closed the connection")
            try:
                self._go_on(stream, agreed)
                return None
            except OSError as error:  # it is gone, too
                why = str(error)
        return ConnectionError(
            f"the server at {self._address} was gone, and none has come in its place within {self._patience:g} s "
            f"(MOTET_RECONNECT): {why}"
        )

    def _greet(self) -> tuple[ByteStream, Agreed]:
        stream = self._ground.open_stream(self._address, self._fingerprint)
        try:
            stream.wait(ANSWER_TIMEOUT)
            stream.send(b"".join(codec.frames([self._hello])))
            answers: list[Message] = []

            def receive(view: memoryview) -> int:
                return 0 if answers else stream.receive_into(view)

            read_frames(receive, lambda frame: answers.extend(codec.decode_to_client(frame)))
            answer = answers[0] if answers else None
            if isinstance(answer, Refused):
                raise ConnectionError(answer.reason)
            if not isinstance(answer, Agreed):
                raise ConnectionError("it closed the connection")
            stream.wait(None)
            return stream, answer
        except BaseException:
            stream.close()
            raise

    def _go_on(self, stream: ByteStream, agreed: Agreed) -> None:
        with self._lock:
            before, self._stream = self._stream, stream
            self._run = agreed.run
            self._taken = self._confirmed = 0
            self._is_timed = False
            before.close()
            apps = self._unfinished.apps_again()
            self._awaited = {each.request_id for each in apps}
            for request in apps:
                self._send_whole(b"".join(codec.frames([request])))
            self._say_rest()
        if self._is_closed:  # just now, so that the one before was ended
            stream.end()
