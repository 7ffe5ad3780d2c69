"""Messages to frames and back. Encoders and decoders are made once; both are thread-safe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from motet.errors import ConnectionError, InvalidError
from motet.wire.framing import LENGTH
from motet.wire.messages import Message, ToClient, ToControl, ToExecutor, ToServer

_SPLIT_BYTES = 16 * 1024 * 1024

_encode = msgspec.msgpack.Encoder().encode


def frames(messages: Sequence[Message]) -> list[bytes]:
    """The byte strings to write, in order, for these messages: lengths and bodies."""
    body = _encode(messages)
    if len(body) > _SPLIT_BYTES and len(messages) > 1:
        middle = len(messages) // 2
        return frames(messages[:middle]) + frames(messages[middle:])
    return [LENGTH.pack(len(body)), body]


def _decoder(of: Any) -> Callable[[memoryview], list[Any]]:
    decode = msgspec.msgpack.Decoder(list[of]).decode

    def decode_or_raise(frame: memoryview) -> list[Any]:
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
