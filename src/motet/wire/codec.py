"""Messages to frames and back. Encoders and decoders are made once; both are thread-safe."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from motet.errors import ConnectionError, InvalidError, RequestSizeError
from motet.model.limits import MAX_PAYLOAD_BYTES
from motet.wire.client_messages import FromClient, ToClient
from motet.wire.container_messages import FromContainer, ToControl, ToExecutor
from motet.wire.framing import LENGTH, MAX_FRAME_BYTES
from motet.wire.hello import Hello
from motet.wire.host_messages import FromHost, ToHost
from motet.wire.message import Message
from motet.wire.portions import halves
from motet.wire.sandbox_messages import FromSandbox, ToSandbox

ToServer = Hello | FromClient | FromContainer | FromSandbox | FromHost

_SPLIT_BYTES = 16 * 1024 * 1024

_encode = msgspec.msgpack.Encoder().encode
_NOTHING = _encode([])
_making = threading.Lock()
"""What msgspec finds out of a class is shared by all decoders from when it begins to look: one that another thread makes
meanwhile reads by half of it, and the process crashes."""


def frames(messages: Sequence[Message], split: int = _SPLIT_BYTES, most: int = MAX_FRAME_BYTES) -> list[bytes]:
    """The byte strings to write, in order, for these messages: lengths and bodies. No frame is larger than a peer takes.

    What is larger than `split` bytes goes in several frames if it can be cut. Raises `RequestSizeError` for one value that is
    too large by itself.
    """
    # All at once, and only then looked at: nearly always it fits, and to measure it first would take as long.
    body = _encode(messages)
    if len(body) > split and (parts := _parts(messages, body, most)) is not None:
        return frames(parts[0], split, most) + frames(parts[1], split, most)
    return [LENGTH.pack(len(body)), body]


def counted_frames(
    messages: Sequence[Message], split: int = _SPLIT_BYTES, most: int = MAX_FRAME_BYTES
) -> list[tuple[int, bytes]]:
    """The same as whole frames, each with how many messages are in it: one that was cut counts as several."""
    body = _encode(messages)
    if len(body) > split and (parts := _parts(messages, body, most)) is not None:
        return counted_frames(parts[0], split, most) + counted_frames(parts[1], split, most)
    return [(len(messages), LENGTH.pack(len(body)) + body)]


def _parts(messages: Sequence[Message], body: bytes, most: int) -> tuple[Sequence[Message], Sequence[Message]] | None:
    """Two halves of what is long; None if it has to go as it is. Raises `RequestSizeError` if it cannot."""
    middle = len(messages) // 2
    parts = (messages[:middle], messages[middle:]) if middle else _in_two(messages[0])
    if parts is None and len(body) > most:
        raise RequestSizeError(
            f"a message ({type(messages[0]).__name__}) is {len(body) / 2**20:.1f} MiB; it may have "
            f"{most // 2**20} MiB at most, and a single value in it {MAX_PAYLOAD_BYTES // 2**20} MiB"
        )
    return parts


def _in_two(message: Message) -> tuple[list[Message], list[Message]] | None:
    cut = halves(message)
    return cut and ([cut[0]], [cut[1]])


def _decoder(of: Any) -> Callable[[memoryview], list[Any]]:
    """Made when it is used first: nobody needs all of them, and each takes milliseconds."""
    decode: Callable[[memoryview], list[Any]] | None = None

    def decode_or_raise(frame: memoryview) -> list[Any]:
        nonlocal decode
        if decode is None:
            with _making:
                decode = msgspec.msgpack.Decoder(list[of]).decode
        try:
            return decode(frame)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidError) as error:
            # InvalidError: the values of the model check themselves when they are made.
            raise ConnectionError(f"the peer sent a frame that is not Motet's: {error}") from error

    return decode_or_raise


decode_to_server: Callable[[memoryview], list[ToServer]] = _decoder(ToServer)
decode_to_client: Callable[[memoryview], list[ToClient]] = _decoder(ToClient)
decode_to_executor: Callable[[memoryview], list[ToExecutor]] = _decoder(ToExecutor)
decode_to_control: Callable[[memoryview], list[ToControl]] = _decoder(ToControl)
decode_to_sandbox: Callable[[memoryview], list[ToSandbox]] = _decoder(ToSandbox)
decode_to_host: Callable[[memoryview], list[ToHost]] = _decoder(ToHost)


def prepare_for_containers() -> None:
    """Have the decoders made that containers need: processes that are forked after this share them."""
    for decode in (decode_to_executor, decode_to_control, decode_to_client, decode_to_sandbox):
        decode(memoryview(_NOTHING))
