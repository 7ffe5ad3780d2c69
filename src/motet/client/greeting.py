"""The beginning of one more connection, where its answer is awaited before anything else is said."""

from __future__ import annotations

from motet.client.ground import Ground
from motet.client.sockets import ANSWER_BYTES, read_frame
from motet.client.streams import ByteStream
from motet.errors import ConnectionError
from motet.wire import codec
from motet.wire.hello import Agreed, Hello, Refused, StandsBy

ANSWER_TIMEOUT = 10.0
"""Seconds that a server that is there may take to answer."""


class TurnedAway(ConnectionError):
    """A server is there, and does not let this client in. It says why."""


def greet(on: Ground, address: str, fingerprint: str, hello: Hello) -> tuple[ByteStream, Agreed]:
    """A stream to a server that has agreed to talk. Raises `StandsBy`, `ConnectionError`, `OSError` or `ServiceError`."""
    stream = on.open_stream(address, fingerprint)
    try:
        stream.wait(ANSWER_TIMEOUT)
        stream.send(b"".join(codec.frames([hello])))
        # No byte more than the answer: what comes after it is for whoever reads then.
        answer, *_ = [*codec.decode_to_client(read_frame(stream.receive_into, ANSWER_BYTES)), None]
        if isinstance(answer, Refused):
            raise (
                ConnectionError(answer.reason)
                if answer.who_leads is None
                else StandsBy(answer.reason, answer.who_leads)
            )
        if not isinstance(answer, Agreed):
            raise ConnectionError("what answers there does not agree to talk")
        return stream, answer
    except BaseException:
        stream.close()
        raise
