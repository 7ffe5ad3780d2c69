"""Who is connected: clients and containers, and how messages reach them."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import Any, Protocol, cast

import msgspec

from motet.client.peer_process import PeerProcess, peer_process
from motet.errors import ConnectionError, RequestSizeError, VersionError
from motet.model.version import VERSION
from motet.wire import codec, report
from motet.wire.client_messages import Reply, RequestFailed
from motet.wire.codec import ToServer
from motet.wire.framing import LENGTH, FrameReader
from motet.wire.hello import PYTHON, WIRE_VERSIONS, Agreed, Hello, Refused, StandsBy, WhoLeads, agreed_version
from motet.wire.message import Message

logger = logging.getLogger("motet.server")

HELLO_TIMEOUT = 30.0
"""Seconds a connection may take to say hello. Ours do at once; a container on a machine out of breath may not."""

HELLO_BYTES = 64 * 1024
"""Whoever has sent more without a hello is none of ours."""

MAX_STRANGERS = 1000
"""Connections that have not said hello; if there are more, the one that has taken longest is cut off."""

UNSENT_BYTES = 64 * 1024 * 1024
"""What a client may be behind in reading; nothing is read from one that is further behind. Lines that containers write are left
out long before (`lines.py`), so this is of what matters."""

UNSENT_TIMEOUT = 60.0
"""Seconds after which such a client is cut off, unless it has read `UNSENT_BYTES` since."""

CLOSE_TIMEOUT = 10.0
"""Seconds that one who is refused has to read why."""


@functools.cache
def _cloudpickle() -> str:
    """The version that containers have. Nothing here may import it."""
    return metadata.version("cloudpickle")


class Peer(Protocol):
    """The server's end of one connection. `send` never waits; after the end of the connection it does nothing."""

    @property
    def unsent_bytes(self) -> int:
        """What waits to be sent, because the other end does not read."""
        ...

    def send(self, messages: Sequence[Message]) -> None: ...

    def close(self) -> None: ...


class Handler(Protocol):
    """What the server does with one connection's messages; made for it when it has said hello."""

    def receive(self, messages: Sequence[ToServer]) -> None: ...

    def disconnected(self) -> None: ...


HTTP_LENGTH = int.from_bytes(b"\0\0\0 ", "little")
"""What the first four bytes of HTTP, which are letters, would be at least as the length of a frame: more than one may have."""

TLS = b"\x16\x03"
"""How TLS begins. A frame that begins so would be a hello of 790 bytes at least, which none is."""

NewHttp = Callable[[PeerProcess | None], asyncio.Protocol]

Accept = Callable[[Hello, "SocketPeer"], Handler]
"""Makes the handler for a connection, or raises `ConnectionError` with the reason for refusing it."""


class Stranger(Protocol):
    """A connection of which nobody knows yet whose it is."""

    def abort(self) -> None:
        """End it without a word."""


class Strangers:
    """The connections that have not said hello yet, the oldest first."""

    def __init__(self, most: int = MAX_STRANGERS) -> None:
        self._most = most
        self._peers: dict[Stranger, None] = {}

    def __len__(self) -> int:
        return len(self._peers)

    def add(self, peer: Stranger) -> None:
        """One more; the oldest makes room for it if there are too many."""
        if len(self._peers) >= self._most:
            oldest = next(iter(self._peers))
            del self._peers[oldest]
            oldest.abort()
        self._peers[peer] = None

    def remove(self, peer: Stranger) -> None:
        """It is known now, or gone. Idempotent."""
        self._peers.pop(peer, None)


def sendable(messages: Sequence[Message]) -> list[Message] | None:
    """The same, with what there is to say in place of answers that no peer takes. None: one of them is too large that is no
    answer."""
    fitting: list[Message] = []
    for message in messages:
        try:
            codec.frames([message])
        except RequestSizeError as error:
            if not isinstance(message, Reply):
                # All else was checked when it came in. This peer waits for it: better that it ends than that it hangs.
                logger.exception("a message that is too large cannot be sent; its receiver is cut off")
                return None
            fitting.append(Reply(message.request_id, RequestFailed(report.of(error))))
        else:
            fitting.append(message)
    return fitting


class SocketPeer(asyncio.BufferedProtocol):
    """A connection over a socket. The first message must be `Hello`; anything malformed ends the connection with a reason.

    What others can make it hold is bounded: a stranger has `HELLO_TIMEOUT` and `HELLO_BYTES` to say who it is, and a client
    that asks and does not read is not heard until it reads, and cut off if it does not. Containers need no such bound: what
    they are sent is bounded by their slots, and one that is blocked in a long computation must not be cut off.

    A connection that begins as HTTP is none of these: what `http` makes for it takes it over.
    """

    def __init__(
        self, accept: Accept, strangers: Strangers | None = None, http: NewHttp | None = None, run: str = ""
    ) -> None:
        self._http = http
        self._run = run
        self._accept = accept
        self._strangers = Strangers() if strangers is None else strangers
        self._reader = FrameReader()
        self._received = 0
        self._handler: Handler | None = None
        self._transport: asyncio.Transport | None = None
        self.process: PeerProcess | None = None
        """The process at the other end, if it is one of this machine that came over a Unix socket."""
        self._deadline: asyncio.TimerHandle | None = None
        self._is_client = False
        self._behind = False
        self._sent_behind = 0
        self._agreed: Agreed | None = None
        self._is_let_go = False
        self.travels = False
        """Its programs are to send their source: see `Agreed`."""
        self.heard = False
        """Something has come. Whoever asks now and then takes it back."""
        self.is_given_up = False
        """This end has ended it, for a reason that another connection would have, too."""

    # --- asyncio calls these ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one, but does not say so
        self.process = peer_process(self._transport.get_extra_info("socket"))
        self._strangers.add(self)
        self._set_deadline(HELLO_TIMEOUT, self.refuse, f"no hello came within {HELLO_TIMEOUT:g} s")

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._reader.buffer()

    def buffer_updated(self, nbytes: int) -> None:
        self.heard = True
        if self._http is not None and self._handler is None:
            beginning = self._reader.beginning(nbytes)
            if beginning[:2] == TLS and len(beginning) >= LENGTH.size:
                self.refuse("this port speaks no TLS: it is a plain-text one (tcp:)")
                return
            if len(beginning) >= LENGTH.size and LENGTH.unpack_from(beginning)[0] >= HTTP_LENGTH:
                self._speak_http(self._http, bytes(beginning))
                return
        try:
            messages: list[ToServer] = []
            for frame in self._reader.received(nbytes):
                messages += codec.decode_to_server(frame)
                if self._handler is None and messages:
                    # Before the next frame: a peer of another version may go on with what nobody here can read.
                    self._handler = self._greet(messages.pop(0))
            if self._handler is not None:
                if messages:
                    self._handler.receive(messages)
            elif not self._is_let_go:
                self._received += nbytes
                if self._received > HELLO_BYTES:
                    raise ConnectionError(f"the first message must be a hello, and no longer than {HELLO_BYTES} bytes")
        except ConnectionError as error:
            self.refuse(str(error), who_leads=error.told if isinstance(error, StandsBy) else None)
        except VersionError as error:
            self.refuse(str(error), WIRE_VERSIONS)
        except Exception as error:
            # One peer's message must not take the server's other peers with it; they are on this loop too.
            logger.exception("a message could not be handled; its sender is cut off")
            self.refuse(f"the server failed to handle a message: {type(error).__name__}: {error}")

    def pause_writing(self) -> None:
        """More waits to be sent than `UNSENT_BYTES`, if it is a client; with others this means nothing."""
        if self._is_client and self._transport is not None and not self._transport.is_closing():
            self._behind = True
            self._transport.pause_reading()
            self._watch_reading(self._transport)

    def resume_writing(self) -> None:
        """It has caught up."""
        if self._behind:
            self._behind = False
            self._set_deadline(None)
            if self._transport is not None and not self._transport.is_closing():
                self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._set_deadline(None)
        self._strangers.remove(self)
        self._transport = None
        handler, self._handler = self._handler, None
        if handler is not None:
            handler.disconnected()

    def _speak_http(self, http: NewHttp, data: bytes) -> None:
        """Let go of the connection, which is another protocol's from here on."""
        transport, self._transport = self._transport, None
        self._set_deadline(None)
        self._strangers.remove(self)
        if transport is None:
            return
        protocol = http(self.process)
        transport.pause_reading()  # uvloop looks how its protocol reads when it begins to
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if not transport.is_closing():
            transport.resume_reading()
            protocol.data_received(data)

    # --- the server calls these -------------------------------------------------------------------------------------

    @property
    def is_stranger(self) -> bool:
        """Whether it has not been let in."""
        return self._handler is None

    @property
    def where(self) -> str:
        """Who is at the other end, in words."""
        if self.process is not None:
            return f"process {self.process.pid} of user {self.process.uid}"
        name = None if self._transport is None else self._transport.get_extra_info("peername")
        return "{}:{}".format(*name[:2]) if isinstance(name, tuple) else "an unknown place"

    @property
    def unsent_bytes(self) -> int:
        """See `Peer`."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    @property
    def is_behind(self) -> bool:
        """Whether nothing is read from it, because it does not read."""
        return self._behind

    def send(self, messages: Sequence[Message]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            try:
                data = codec.frames(messages)
            except RequestSizeError:
                if (fitting := sendable(messages)) is None:
                    self.close()
                    return
                data = [part for message in fitting for part in codec.frames([message])]
            self.write(data)

    def write(self, data: Sequence[bytes]) -> None:
        """Send frames."""
        if self._transport is not None and not self._transport.is_closing():
            if self._behind:
                self._sent_behind += sum(map(len, data))
            self._transport.writelines(data)

    def agree(self, conversation_token: str = "", taken: int = 0) -> None:
        """Say that it is let in, before all else. Idempotent."""
        agreed, self._agreed = self._agreed, None
        if agreed is not None:
            said = msgspec.structs.replace(
                agreed, conversation_token=conversation_token, taken=taken, travels=self.travels
            )
            self.send((said,))

    def let_go(self) -> None:
        """End the connection without a word; its handler has another one, and hears no more of this."""
        self._handler, self._is_let_go = None, True
        self.abort()

    def abort(self) -> None:
        """End the connection without a word."""
        self._strangers.remove(self)
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        self.is_given_up = True
        if self._transport is not None:
            self._transport.close()

    def _greet(self, hello: ToServer) -> Handler:
        if not isinstance(hello, Hello):
            raise ConnectionError("the first message must be a hello")
        self._agreed = Agreed(agreed_version(hello), PYTHON, _cloudpickle(), VERSION, self._run)
        if hello.role != "client":  # the configuration comes right after it
            self.agree()
        handler = self._accept(hello, self)
        self.agree()  # a client that waits for the answer is let in by it
        self._strangers.remove(self)
        self._set_deadline(None)
        if hello.role == "client" and self._transport is not None:
            self._is_client = True
            self._transport.set_write_buffer_limits(UNSENT_BYTES)
        return handler

    def refuse(self, reason: str, versions: tuple[int, int] | None = None, who_leads: WhoLeads | None = None) -> None:
        """End the connection with a reason; whoever does not read it is cut off all the same."""
        if self._transport is not None:
            self.send((Refused(reason, versions, who_leads),))
            self.close()
            self._set_deadline(CLOSE_TIMEOUT, self._transport.abort)

    def _watch_reading(self, transport: asyncio.Transport) -> None:
        self._sent_behind = transport.get_write_buffer_size()
        self._set_deadline(UNSENT_TIMEOUT, self._check_reading, transport)

    def _check_reading(self, transport: asyncio.Transport) -> None:
        unsent = transport.get_write_buffer_size()
        if self._sent_behind - unsent < UNSENT_BYTES:
            # No word of why: it would have to wait behind all that is not read.
            logger.warning("a client was cut off: it does not read, and %.0f MiB wait for it", unsent / 2**20)
            self.is_given_up = True
            transport.abort()
        else:
            self._watch_reading(transport)

    def _set_deadline(self, seconds: float | None, *call: Any) -> None:
        """Have something called, instead of what was to be called before."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else asyncio.get_running_loop().call_later(seconds, *call)
