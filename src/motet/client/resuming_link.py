"""A link to a server that stays: it survives a connection that breaks, and a server that is killed and started again."""

from __future__ import annotations

import atexit
import weakref
from collections.abc import Iterable, Sequence

import msgspec

from motet.client.cluster import AnotherLeads, Cluster
from motet.client.connection import Connection
from motet.client.forks import in_forked_child
from motet.client.gate import shield_cancellation
from motet.client.ground import ground
from motet.client.link import SocketLink
from motet.client.listening import Listening
from motet.client.streams import ByteStream, NoStream
from motet.client.unfinished import Unfinished
from motet.errors import ConnectionError, ServiceError
from motet.wire import codec
from motet.wire.client_messages import Farewell, Outcomes, Reply, ToClient
from motet.wire.conversation_messages import NOT_COUNTED, Goodbye, OutcomesTaken, Taken
from motet.wire.hello import Agreed, Hello, Refused, StandsBy
from motet.wire.kept_messages import KeptMessages
from motet.wire.message import Message

RECONNECT_TIMEOUT = 60.0
"""Seconds for which the server, or the next one, is waited for, unless MOTET_RECONNECT says otherwise."""
SILENCE = 30.0
"""Seconds for which nothing may come from a server elsewhere, unless MOTET_SILENCE says otherwise."""
RETRY_INTERVAL = 0.1
FIRST_PATIENCE = 20.0
"""Seconds within which one of several servers has to lead, for a client that comes for the first time."""

CONFIRM_EVERY = 64
"""Outcomes or messages after which the server is told what is here, while more comes (see `Listening`)."""


class ResumingLink(SocketLink):
    """As `SocketLink`. When the connection breaks, the client goes on with the same server if that has kept the conversation
    (see `conversation_messages`), or else with its successor, which is told all that is unfinished.

    It tells the server which outcomes are here, so that containers need not keep them. What runs only on a server is not waited
    for beyond it: streams end with a `ConnectionError`. A server of this machine (`unix:`) has no conversation to keep, and may
    be silent: its connection breaks when it dies, and never else.

    Of several servers (`others`) the one is found that leads, by the thread that receives; what is said until then is kept.
    """

    def __init__(
        self,
        address: str,
        hello: Hello,
        connection: Connection,
        fingerprint: str = "",
        patience: float = RECONNECT_TIMEOUT,
        silence: float = SILENCE,
        others: Sequence[str] = (),
    ) -> None:
        is_far = not address.startswith("unix:") or bool(others)
        self._address = address
        self._cluster = Cluster(ground(), (address, *others), fingerprint, hello.token)
        self._is_new = bool(others)
        """The one that leads is still to be found."""
        self._patience = patience
        silence = silence if is_far else 0.0
        self._listening = Listening(self._cluster, silence, is_one_of_several=bool(others))
        self._hello = msgspec.structs.replace(hello, lasts=is_far, heartbeat_ms=int(self._listening.heartbeat * 1000))
        self._unfinished = Unfinished()
        self._kept = KeptMessages() if is_far else None
        """What the server may not have; None: it keeps no conversation."""
        self._conversation_token = ""
        self._run = ""
        """Which run of the server this is; empty: one that nothing comes after."""
        self._is_ending = False
        """The server has said that it ends in order."""
        self._is_lost, self._is_closed = self._is_new, False
        self._awaited: set[int] = set()
        """Requests for apps that were made again, and are not answered yet."""
        self._taken = self._confirmed = 0
        """Outcomes that are here, and of which the server knows that."""
        self._heard = self._acknowledged = 0
        """The same for the messages of a conversation."""
        self._said_at = ground().now()
        super().__init__(address, self._hello, connection, fingerprint)
        if is_far:
            _far.add(self)

    def _open(self, address: str, hello: Hello, fingerprint: str) -> ByteStream:
        return NoStream() if self._is_new else super()._open(address, hello, fingerprint)

    def send(self, messages: Sequence[Message]) -> None:
        kept = self._kept
        if kept is None:
            data = b"".join(codec.frames(messages))
        else:
            frames = codec.counted_frames(messages)
            data = b"".join([frame for _, frame in frames])
        with shield_cancellation(), self._lock:
            for message in messages:
                self._unfinished.sent(message)
            # What the next server hears later, with the rest, has no number yet. It may be another than above.
            if kept is not None and self._kept is not None and not self._awaited:
                self._kept.say(frames)
            if self._is_lost:  # it is told of it when it is here again, or the next one is
                return
            try:
                self._send_whole(data)
            except OSError as error:
                if not self._run or self._is_ending:
                    raise ConnectionError(f"the connection to the server is gone: {error}") from error
                self._is_lost = True
                self._stream.end()

    def close(self) -> None:
        self._is_closed = True
        self.say_goodbye()
        super().close()

    def say_goodbye(self) -> None:
        """Have the server not wait. Where that would take long, it finds out by itself."""
        if self._kept is not None and self._lock.acquire(blocking=False):
            try:
                if not self._is_lost and self._stream.can_send():
                    self._stream.send(b"".join(codec.frames([Goodbye()])))
            except (OSError, ValueError):  # it is gone, or let go of
                pass
            finally:
                self._lock.release()

    # --- on the thread that receives ------------------------------------------------------------------------------------

    def _read(self) -> None:
        end = self._come_back(None) if self._is_new else None
        while end is None:
            if self._listening.heartbeat:
                self._listening.expect_bytes(self._stream)
            problem = self._read_to_end()
            if not self._may_come_back(problem):
                return self._lose(problem)
            if isinstance(problem, AnotherLeads):  # what is done for this program there ends; nothing more comes of it
                self.say_goodbye()
            self._stream.end()  # a thread that sends, and has the lock, waits no longer
            with self._lock:
                self._is_lost = True
            end = self._come_back(problem)
        self._lose(end)

    def _may_come_back(self, problem: Exception) -> bool:
        return (
            bool(self._run or self._is_new)
            and self._patience > 0
            and isinstance(problem, ConnectionError)
            and not (self._is_ending or self._is_closed or self._connection.ended)
        )

    def _say_rest(self) -> None:
        """Say all else that is unfinished, once the apps are there: to place their source takes the server a while."""
        if not self._awaited:
            # Nobody hears the server meanwhile: it has to take more of this now and then.
            self._stream.wait(self._listening.most or None)
            self._say_again(self._unfinished.again())
            self._stream.wait(None)
            self._is_lost = False

    def _say_again(self, messages: Iterable[Message]) -> None:
        """All of these are said, also if the connection breaks meanwhile: then they are sent over the one after it."""
        problem: Exception | None = None
        for message in messages:
            frames = codec.counted_frames([message])
            if self._kept is not None:
                self._kept.say(frames)
            for _, frame in frames if problem is None else ():
                try:
                    self._send_whole(frame)
                except OSError as error:
                    problem = error
                    break
        if problem is not None:
            raise problem

    def _take_in(self, frame: memoryview) -> None:
        messages: Sequence[ToClient] = codec.decode_to_client(frame)
        if self._kept is not None:
            messages = self._of_conversation(messages, self._kept)
        for message in messages:
            if isinstance(message, Reply) and message.request_id in self._awaited:
                with self._lock:
                    self._awaited.discard(message.request_id)
                    self._say_rest()
            if isinstance(message, Outcomes):
                self._taken += len(message.ended)
            elif isinstance(message, Agreed):
                self._agreed_to(message)
            elif isinstance(message, Farewell):
                self._is_ending = True
            elif isinstance(message, Refused) and message.who_leads is not None and self._kept is not None:
                self._is_new = True
                self._cluster.learn(message.who_leads)
                raise StandsBy(message.reason, message.who_leads)
        self._connection.receive([message for message in messages if self._unfinished.received(message)])
        if self._taken - self._confirmed >= CONFIRM_EVERY or self._heard - self._acknowledged >= CONFIRM_EVERY:
            self._confirm()
        self._cluster.check_doubt(self._address)

    def _of_conversation(self, messages: Sequence[ToClient], kept: KeptMessages) -> list[ToClient]:
        """Those that are not about the conversation itself."""
        others: list[ToClient] = []
        for message in messages:
            if isinstance(message, Taken):
                # Without the link's lock: who has it may be sending to a server that stands still, which is to be seen here.
                kept.taken(message.count)
                if message.lead is not None:
                    self._cluster.hear(message.lead)
                    self._listening.expect_bytes(self._stream)
                if self._ground.now() - self._said_at >= self._listening.heartbeat / 2 > 0:
                    self._confirm()
                continue
            if not isinstance(message, NOT_COUNTED):
                self._heard += 1
            others.append(message)
        return others

    def _agreed_to(self, agreed: Agreed) -> None:
        self._run = agreed.run
        self._conversation_token = agreed.conversation_token
        if not agreed.conversation_token:  # nor does it say anything when there is nothing to say
            self._kept, self._listening.heartbeat = None, 0.0

    def _receive_into(self, view: memoryview) -> int:
        while True:
            if (
                (self._taken > self._confirmed or self._heard > self._acknowledged)
                and self._run
                and not self._listening.is_short
            ):
                self._listening.is_short = True
                self._listening.expect_bytes(self._stream)
            try:
                count = self._stream.receive_into(view)
                self._listening.end()
                return count
            except BlockingIOError:
                self._listening.check(self._address)
                if self._confirm():
                    self._listening.is_short = False
                    self._listening.expect_bytes(self._stream)

    def _confirm(self) -> bool:
        """Say what is here. Without a wait: the server may wait for this thread to read. Whether it was said."""
        if not self._run:
            self._confirmed, self._acknowledged = self._taken, self._heard
            return True
        if not self._lock.acquire(blocking=False):
            return False
        try:
            if self._is_lost or not self._stream.can_send():
                return False
            said: list[Message] = []
            if self._taken > self._confirmed:
                said.append(OutcomesTaken(self._taken))
            if self._kept is not None:
                said.append(Taken(self._heard))
            if said:
                self._stream.send(b"".join(codec.frames(said)))
            self._confirmed, self._acknowledged = self._taken, self._heard
            self._said_at = self._ground.now()
            return True
        except OSError:  # which is seen where it is read
            return True
        finally:
            self._lock.release()

    # --- while there is no connection -----------------------------------------------------------------------------------

    def _come_back(self, problem: Exception | None) -> Exception | None:
        """Go on with the same server, or the next one, or begin with the one that leads; why there is none. `problem`: why the
        connection was lost; None: there was none yet."""
        if not self._conversation_token and not self._is_new:
            self._end_streams()
            self._connection.end_requests(self._unfinished.take_once())
        deadline = self._ground.now() + (min(self._patience, FIRST_PATIENCE) if self._is_new else self._patience)
        why = problem
        while why is None or (self._ground.now() < deadline and not self._is_closed):
            try:
                last = "" if self._is_new else self._address
                self._address, stream, agreed = self._cluster.meet(self._hello_again(), last)
            except (OSError, ConnectionError, ServiceError) as error:
                why = error
                if self._is_new and isinstance(error, self._cluster.final):
                    return why
                self._ground.sleep(RETRY_INTERVAL)
                continue
            try:
                if self._is_new:
                    self._begin_with(stream, agreed)
                elif agreed.run != self._run:
                    self._go_on_with_next(stream, agreed)
                elif agreed.conversation_token and agreed.conversation_token == self._conversation_token:
                    self._take_up(stream, agreed)
                else:
                    stream.close()
                    assert problem is not None
                    return self._given_up(problem)
                self._end_if_closed()
                return None
            except (OSError, ConnectionError) as error:  # it is gone, too
                why = error
        if self._is_new:
            return why
        whom, within = f"the server at {self._cluster}", f"{self._patience:g} s (MOTET_RECONNECT)"
        if not self._conversation_token:
            return ConnectionError(f"{whom} was gone, and none has come in its place within {within}: {why}")
        return ConnectionError(
            f"the connection to {whom} broke, and for {within} there was no other, neither to it nor to one in its place: {why}"
        )

    def _given_up(self, problem: Exception) -> Exception:
        if not self._conversation_token:
            return ConnectionError("the server closed the connection")
        return ConnectionError(
            f"the connection to the server at {self._address} broke ({problem}), and the server has not waited for this "
            "program to come back (MOTET_CONNECTION_GRACE of the server): what was under way there was cancelled, but for "
            "spawned calls"
        )

    def _hello_again(self) -> Hello:
        return msgspec.structs.replace(self._hello, conversation_token=self._conversation_token, taken=self._heard)

    def _end_if_closed(self) -> None:
        if self._is_closed:  # just now, so that the one before was ended
            self._stream.end()

    def _end_streams(self) -> None:
        for call_id in self._unfinished.take_streams():
            self._connection.end_call(call_id, ConnectionError("the server was gone while this stream was under way"))

    def _begin_with(self, stream: ByteStream, agreed: Agreed) -> None:
        """The server is there that leads, and has heard nothing yet."""
        with self._lock:
            self._change_to(stream)
            said = [] if self._kept is None else self._kept.after(0)
            self._agreed_to(agreed)
            for frame in said:
                self._send_whole(frame)
            self._is_new = self._is_lost = False
            stream.wait(None)
        self._connection.receive([agreed])

    def _take_up(self, stream: ByteStream, agreed: Agreed) -> None:
        """The same server is there, and has kept the conversation: it is told what it lacks."""
        with self._lock:
            self._change_to(stream)
            assert self._kept is not None
            self._acknowledged = self._heard
            for frame in self._kept.after(agreed.taken):
                self._send_whole(frame)
            self._is_lost = bool(self._awaited)  # then it hears the rest only when it has answered for these
            stream.wait(None)

    def _go_on_with_next(self, stream: ByteStream, agreed: Agreed) -> None:
        """Another server is there: it is told all that is unfinished."""
        self._end_streams()
        # Without a token that was done when the one before was gone, and what came since was not sent.
        if self._conversation_token:
            self._connection.end_requests(self._unfinished.take_once())
        with self._lock:
            self._change_to(stream)
            self._taken = self._confirmed = self._heard = self._acknowledged = 0
            if self._kept is not None:
                self._kept = KeptMessages()
            self._agreed_to(agreed)
            apps = self._unfinished.apps_again()
            self._awaited = {each.request_id for each in apps}
            self._say_again(apps)
            self._say_rest()
            stream.wait(None)

    def _change_to(self, stream: ByteStream) -> None:
        before, self._stream = self._stream, stream
        self._cluster.in_doubt = False
        self._listening.begin_anew()
        before.close()


_far: weakref.WeakSet[ResumingLink] = weakref.WeakSet()
"""Those to servers elsewhere, which wait for a client whose connection ends without a word."""


def _say_goodbyes() -> None:
    for link in list(_far):
        link.say_goodbye()


atexit.register(_say_goodbyes)
in_forked_child(_far.clear)
