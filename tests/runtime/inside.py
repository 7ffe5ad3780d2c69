"""What runs inside a container, without the container."""

from __future__ import annotations

import asyncio
import queue
import socket
import threading
from collections.abc import Callable
from typing import Any

from motet.client.sockets import read_frames
from motet.model.function import FunctionSpec, MethodSpec, SerializedDefinition
from motet.model.outcome import AttemptEnd, Delivery, OutcomeKind
from motet.model.scaling import Batching, Concurrency
from motet.runtime.executor import Executor
from motet.runtime.loading.loader import Service
from motet.runtime.sender import Sender
from motet.wire import codec, payload
from motet.wire.container_messages import Finished, Items

TIMEOUT = 20.0


class Inside:
    """An executor, and what it sends."""

    def __init__(
        self,
        call: Callable[..., Any],
        max_inputs: int = 2,
        *,
        generator: bool = False,
        batching: Batching | None = None,
        run_main: Callable[[Callable[[], None]], None] = lambda work: work(),
        is_async: bool = False,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        ours, theirs = socket.socketpair()
        self._sockets = (ours, theirs)
        self.ends: queue.SimpleQueue[AttemptEnd] = queue.SimpleQueue()
        self.items: queue.SimpleQueue[Any] = queue.SimpleQueue()
        method = MethodSpec(is_generator=generator, is_async=is_async)
        spec = FunctionSpec(
            name="f",
            app_name="a",
            definition=SerializedDefinition(pickled=b"", qualname="f"),
            methods=(method,),
            concurrency=Concurrency(max_inputs=max_inputs, target_inputs=max_inputs),
            batching=batching,
        )
        self.idle = asyncio.Event()
        service = Service({"": call}, [], [])
        self.executor = Executor(spec, service, Sender(theirs), loop, run_main, self.idle.set)
        self._reader = threading.Thread(target=read_frames, args=(ours.recv_into, self._received))
        self._reader.start()

    def _received(self, frame: memoryview) -> None:
        for message in codec.decode_to_server(frame):
            if isinstance(message, Finished):
                for end in message.attempts:
                    self.ends.put(end)
            elif isinstance(message, Items):
                for item in message.items:
                    self.items.put(payload.loads(item, ""))

    def deliver(self, attempt: int, *args: Any) -> None:
        self.executor.deliver([delivery(attempt, *args)])

    def deliver_all(self, *attempts: int) -> None:
        """In one frame; each gets its number as its argument."""
        self.executor.deliver([delivery(attempt, attempt) for attempt in attempts])

    def end(self) -> tuple[int, OutcomeKind, Any]:
        """The next end: attempt, kind, and the value of a success."""
        end = self.ends.get(timeout=TIMEOUT)
        value = payload.loads(end.payload, "") if end.kind is OutcomeKind.SUCCESS else None
        return end.attempt, end.kind, value

    def close(self) -> None:
        self._sockets[1].close()
        self._reader.join(TIMEOUT)
        self._sockets[0].close()


def delivery(attempt: int, *args: Any) -> Delivery:
    return Delivery(attempt, f"fc-{attempt}", 0, "", payload.dumps((args, {}), ""))
