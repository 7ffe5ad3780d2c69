"""Strangers and broken programs on the server's socket: each is shown out with a reason, and nobody else notices."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop

from motet.errors import ConnectionError
from motet.model.outcome import AttemptEnd, CallKind, NewInput, OutcomeKind
from motet.server import peers
from motet.server.lines import NOTICE_INTERVAL, UNREAD_BYTES, LineReader
from motet.wire import client_messages as m
from motet.wire import codec
from motet.wire.container_messages import Finished, Items, LimitInputs, Ready, StopDelivering, TakeFeed
from motet.wire.framing import BUFFER_BYTES, LENGTH, MAX_FRAME_BYTES
from motet.wire.hello import Agreed, Hello, Refused
from motet.wire.message import Message
from motet.wire.queue_messages import AnswerNow, Confirm, GetItems, PutItems, ViewQueue
from tests.server.stage import Container, Stage, Wire, stage
from tests.server.virtual_loop import run_virtually

Scene = Callable[[Stage, Wire], Coroutine[Any, Any, None]]
LOOPS = pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])


class Neighbour:
    """Somebody whose calls must go on, one after the other, all the time that a scene takes."""

    def __init__(self, on: Stage) -> None:
        self._on = on
        self.client = on.client()
        self.rounds = 0

    async def open(self) -> None:
        (self.function_id,) = await self.client.create()
        await self._call_begins()
        self.container: Container = await self._on.container()
        await self._call_ends()

    async def calls(self) -> None:
        while True:
            await self._call_begins()
            await self._call_ends()

    async def _call_begins(self) -> None:
        self.rounds += 1
        self.client.call(self.function_id, call_id=f"fc-{self.rounds}")

    async def _call_ends(self) -> None:
        attempts = await self.container.deliveries()
        assert [it.call_id for it in attempts] == [f"fc-{self.rounds}"]
        self.container.finish(attempts)
        outcomes = await self.client.wait(m.Outcomes)
        assert (outcomes.call_id, outcomes.ended[0].payload) == (f"fc-{self.rounds}", b"done")

    @asynccontextmanager
    async def undisturbed(self) -> AsyncIterator[None]:
        before = self.rounds
        calling = asyncio.create_task(self.calls())
        yield
        async with asyncio.timeout(30):
            while self.rounds < before + 3 and not calling.done():  # noqa: ASYNC110 - it ends by itself only if it fails
                await asyncio.sleep(0.001)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        assert not self._on.backend.kills
        self._on.server._driver.engine.check()


def play(scene: Scene, new_loop: Any = uvloop.new_event_loop) -> None:
    """Run a scene on a connection of its own, beside somebody who calls."""

    async def main() -> None:
        async with stage() as on:
            neighbour = Neighbour(on)
            await neighbour.open()
            async with neighbour.undisturbed():
                wire = await on.connect()
                await scene(on, wire)
                await wire.close()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())


def hello(on: Stage, role: Any = "client", **changes: Any) -> Hello:
    """The hello of the container that runs."""
    launch = on.backend.launches[0]
    return Hello(role, **{"token": launch.token, "container_id": launch.container_id, **changes})


def frame(body: bytes) -> bytes:
    return LENGTH.pack(len(body)) + body


def noise(seed: int) -> bytes:
    dice = random.Random(seed)
    return frame(dice.randbytes(dice.choice([1, 7, 300, 70_000])))


# --- before hello -----------------------------------------------------------------------------------------------------


@LOOPS
@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"\x00\x00\x00\x1f" + bytes(40), "at most 268435456 are allowed"),
        (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            None,
        ),  # TLS: as a length it is small, and the rest never comes
        (frame(b"\x90" * 70_000), "not Motet's"),
        (frame(b"\x90") * 20_000, "the first message must be a hello"),
        (LENGTH.pack(MAX_FRAME_BYTES) + bytes(peers.HELLO_BYTES), "the first message must be a hello"),
        (LENGTH.pack(MAX_FRAME_BYTES + 1), "at most"),
        (frame(b"\xdd\xff\xff\xff\xff"), "not Motet's"),
        (frame(b"\x91" * 50_000), "not Motet's"),
        *((noise(seed), "not Motet's") for seed in range(8)),
    ],
)
def test_garbage_before_hello_is_answered_with_a_reason(said: bytes, reason: str | None, new_loop: Any) -> None:
    async def scene(on: Stage, wire: Wire) -> None:
        wire.write(said)
        if reason is not None:
            assert reason in await wire.refusal()

    play(scene, new_loop)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"token": "0" * 32}, "not a container of this server"),
        ({"token": "ü"}, "not a container of this server"),
        ({"container_id": "ta-of-somebody-else"}, "not a container of this server"),
        ({"versions": (98, 99)}, "which speaks versions 98 to 99 of the wire"),
        ({"versions": (2**63 - 1, 2**63 - 1)}, "upgrade Motet where the server runs"),
        ({"versions": (2**63, 2**63)}, "not Motet's"),
        ({"versions": (-1, 1)}, "versions -1 to 1 of the wire are none"),
        ({"versions": (2, 1)}, "versions 2 to 1 of the wire are none"),
    ],
)
@pytest.mark.parametrize("role", ["client", "executor", "control"])
def test_a_false_hello_is_answered_with_a_reason(role: str, changes: dict[str, Any], reason: str) -> None:
    async def scene(on: Stage, wire: Wire) -> None:
        wire.say(hello(on, role, **changes))
        assert reason in await wire.refusal()

    play(scene)


def test_a_second_executor_of_a_container_is_refused_and_the_first_works_on() -> None:
    async def scene(on: Stage, wire: Wire) -> None:
        wire.say(hello(on, "executor"))
        assert await wire.refusal() == "this container's executor is connected already"

    play(scene)


@LOOPS
@pytest.mark.parametrize(
    "said", [b"", b"\x10", LENGTH.pack(100) + b"half", frame(b"\x90"), LENGTH.pack(MAX_FRAME_BYTES)]
)
def test_who_falls_silent_before_hello_is_shown_out(said: bytes, new_loop: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(peers, "HELLO_TIMEOUT", 0.05)

    async def scene(on: Stage, wire: Wire) -> None:
        wire.write(said)
        assert await wire.refusal() == "no hello came within 0.05 s"

    play(scene, new_loop)


def test_who_has_said_hello_may_be_silent(monkeypatch: Any) -> None:
    monkeypatch.setattr(peers, "HELLO_TIMEOUT", 0.05)

    async def scene(on: Stage, wire: Wire) -> None:
        wire.say(hello(on))
        await asyncio.sleep(0.2)
        wire.say(m.Request(1, m.ViewFunction("fu-unknown")))
        (reply,) = await wire.hear(codec.decode_to_client)
        assert isinstance(reply.body, m.RequestFailed)

    play(scene)


def test_a_large_message_right_behind_hello_is_taken() -> None:
    """What comes with the hello in one read is not the hello's length."""

    async def scene(on: Stage, wire: Wire) -> None:
        call = m.SubmitInputs("fc-big", "fu-unknown", CallKind.SPAWNED, "", [NewInput(0, bytes(5 * BUFFER_BYTES))])
        wire.write(b"".join(codec.frames([hello(on)]) + codec.frames([m.Request(1, call)])))
        (reply,) = await wire.hear(codec.decode_to_client)
        assert isinstance(reply.body, m.RequestFailed)

    play(scene)


# --- after hello ------------------------------------------------------------------------------------------------------


@LOOPS
@pytest.mark.parametrize("role", ["client", "control"])
@pytest.mark.parametrize("seed", range(6))
def test_garbage_after_hello_is_answered_with_a_reason(role: str, seed: int, new_loop: Any) -> None:
    async def scene(on: Stage, wire: Wire) -> None:
        wire.say(hello(on, role))
        wire.write(noise(seed))
        assert "not Motet's" in await wire.refusal()

    play(scene, new_loop)


@pytest.mark.parametrize("keep", [1, 3, 4, 5, 30, -1])
def test_half_a_message_and_then_nothing_holds_nobody_up(keep: int) -> None:
    async def scene(on: Stage, wire: Wire) -> None:
        wire.say(hello(on))
        wire.write(b"".join(codec.frames([m.Request(1, m.ViewFunction("fu-unknown" * 10))]))[:keep])
        await asyncio.sleep(0.02)

    play(scene)


def foreign(dice: random.Random) -> Message:
    """Something a client may say, about what is none of its business, or not there at all."""
    call = dice.choice(["fc-1", "fc-2", "fc-mine", "", "in-1"])
    number = dice.choice([0, 1, -1, 7, 2**62, -(2**63)])
    return dice.choice(
        [
            m.AckCallItems(call, number, number),
            m.FeedCall(call, number, [b"x"]),
            m.Forget(number),
            Confirm(number, dice.choice([0, 1, -1, 2**62])),
            AnswerNow(number),
            m.Request(number, m.ViewCall(call)),
            m.Request(number, m.ViewApp(call)),
            m.Request(number, m.ViewFunction(call)),
            m.Request(number, m.AwaitOutcomes(call, number, dice.random() < 0.5)),
            m.Request(number, m.StopApp("ap-none")),
            m.Request(number, PutItems("qu-1", call, [b"1", b"2"], dice.random() < 0.5)),
            m.Request(number, GetItems("qu-1", call, number, dice.random() < 0.5)),
            m.Request(number, ViewQueue("qu-1", None, dice.random() < 0.5)),
            m.Request(number, m.SubmitInputs(call, "fu-none", CallKind.SPAWNED, "", [NewInput(number, b"")])),
            m.SubmitInputs("fc-mine", "fu-none", dice.choice(list(CallKind)), "", [NewInput(number, b"")]),
            m.CancelCall("fc-mine"),
            Ready(),
            Finished([AttemptEnd(number, OutcomeKind.SUCCESS, b"")]),
            StopDelivering(),
            LimitInputs(number),
            Items(number, [b"x"]),
            TakeFeed(number, number),
        ]
    )


@pytest.mark.parametrize("seed", range(30))
def test_a_client_that_talks_nonsense_harms_nobody(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    dice = random.Random(seed)

    async def scene(on: Stage, wire: Wire) -> None:
        wire.say(hello(on))
        for _ in range(40):
            if wire.is_closed:  # it said what containers alone may say, and was cut off
                wire = await on.connect()
                wire.say(hello(on))
            wire.say(*[foreign(dice) for _ in range(dice.randint(1, 4))])
            await asyncio.sleep(0)

    play(scene)
    assert caplog.records == []


@pytest.mark.parametrize("seed", range(30))
def test_a_container_that_talks_nonsense_harms_no_other(seed: int) -> None:
    """It is user code that runs there: nothing it says may reach beyond its own inputs."""
    dice = random.Random(seed)

    async def main() -> None:
        async with stage() as on:
            neighbour = Neighbour(on)
            await neighbour.open()
            client = on.client()
            (function_id,) = await client.create(app_id="ap-2")
            client.call(function_id, call_id="fc-broken")
            broken = await on.container(1, ready=False)
            for _ in range(30):
                number = dice.choice([0, 1, 2, 3, -1, 2**62])
                broken.executor.say(
                    dice.choice(
                        [
                            Ready(),
                            Finished([AttemptEnd(number, dice.choice(list(OutcomeKind)), b"not a failure")]),
                            Items(number, [b"x"]),
                            TakeFeed(number, number),
                            LimitInputs(number),
                            StopDelivering(dice.random() < 0.5),
                            m.CancelCall("fc-1"),
                            m.Request(1, m.StopApp("ap-1")),
                        ]
                    )
                )
                await asyncio.sleep(0)
            await asyncio.sleep(0.02)
            running = asyncio.create_task(neighbour.calls())
            async with asyncio.timeout(30):
                rounds = neighbour.rounds
                while neighbour.rounds < rounds + 3 and not running.done():  # noqa: ASYNC110
                    await asyncio.sleep(0.001)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            assert neighbour.container.container_id not in on.backend.kills
            on.server._driver.engine.check()

    asyncio.run(main())


# --- who does not read ------------------------------------------------------------------------------------------------


class DeafTransport(asyncio.Transport):
    """A socket whose other end takes as much as it is told to, and no more."""

    def __init__(self, protocol: peers.SocketPeer) -> None:
        super().__init__()
        self.unsent = 0
        self.reading = True
        self.aborted = False
        self.written: list[bytes] = []
        self._high = 64 * 1024
        self._protocol = protocol
        protocol.connection_made(self)

    def hear(self, *messages: Message) -> None:
        assert self.reading
        for piece in codec.frames(messages):
            self._protocol.get_buffer(-1)[: len(piece)] = piece
            self._protocol.buffer_updated(len(piece))

    def take(self, count: int) -> None:
        self.unsent -= count
        if self.unsent <= self._high // 4:
            self._protocol.resume_writing()

    def writelines(self, data: Any) -> None:
        self.written += data
        self.unsent += sum(map(len, data))
        if self.unsent > self._high:
            self._protocol.pause_writing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = high or 0

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True


class Answering:
    """Answers whatever it hears with a long reply."""

    def __init__(self, peer: peers.Peer) -> None:
        self.peer = peer

    def receive(self, messages: Any) -> None:
        self.peer.send([m.CallItems("fc-1", 0, [bytes(10 * 1024 * 1024)])])

    def disconnected(self) -> None:
        """Nothing to do."""


def deaf(role: Any) -> DeafTransport:
    transport = DeafTransport(peers.SocketPeer(lambda hello, peer: Answering(peer)))
    transport.hear(Hello(role, ""))
    return transport


def test_a_client_that_asks_and_does_not_read_is_not_heard_until_it_reads() -> None:
    async def main() -> None:
        transport = deaf("client")
        asked = 0
        while transport.reading:
            transport.hear(m.Forget(1))
            asked += 1
        assert peers.UNSENT_BYTES < transport.unsent < peers.UNSENT_BYTES + 11 * 1024 * 1024
        transport.take(transport.unsent)
        assert transport.reading

    asyncio.run(main())


def test_a_client_that_does_not_read_at_all_is_cut_off_and_one_that_reads_slowly_is_not() -> None:
    async def main() -> None:
        silent, slow = deaf("client"), deaf("client")
        for _ in range(30):
            for transport in (silent, slow):
                if transport.reading:
                    transport.hear(m.Forget(1))
        slow._protocol.send([m.CallItems("fc-1", 0, [bytes(2 * peers.UNSENT_BYTES)])])
        while not silent.aborted:
            slow.take(min(slow.unsent, peers.UNSENT_BYTES // 2))
            slow._protocol.send([m.CallItems("fc-1", 0, [bytes(peers.UNSENT_BYTES // 2)])])
            await asyncio.sleep(peers.UNSENT_TIMEOUT / 7.5)
        assert peers.UNSENT_TIMEOUT <= asyncio.get_running_loop().time() < 1.2 * peers.UNSENT_TIMEOUT
        assert not slow.aborted

    run_virtually(main())


def lines(count: int, app_id: str = "ap-1") -> m.OutputLines:
    return m.OutputLines(app_id, "f", "ta-1", "stdout", ["x" * 60_000] * count)


def test_lines_that_a_client_does_not_read_are_left_out_and_counted_and_it_is_not_cut_off() -> None:
    async def main() -> None:
        transport = deaf("client")
        transport.take(transport.unsent)
        reader = LineReader(transport._protocol)
        for _ in range(2_000):
            reader.show(lines(1))
        assert UNREAD_BYTES < transport.unsent < UNREAD_BYTES + 100_000
        before = transport.unsent
        transport._protocol.send([m.Outcomes("fc-1", [])])
        assert transport.unsent > before  # what matters is sent all the same
        await asyncio.sleep(2 * peers.UNSENT_TIMEOUT)
        assert transport.reading
        assert not transport.aborted
        transport.take(transport.unsent)
        transport.written.clear()
        await asyncio.sleep(NOTICE_INTERVAL)
        (notice,) = codec.decode_to_client(memoryview(b"".join(transport.written))[LENGTH.size :])
        assert isinstance(notice, m.OutputLines)
        left_out = 2_000 - -(-UNREAD_BYTES // len(b"".join(codec.frames([lines(1)]))))
        assert notice.lines == [f"{left_out:,} lines left out here: this program did not read its output"]

    run_virtually(main())


def test_a_container_may_take_its_time_however_much_it_was_sent() -> None:
    async def main() -> None:
        transport = deaf("executor")
        for _ in range(20):
            transport.hear(Ready())
        await asyncio.sleep(2 * peers.UNSENT_TIMEOUT)
        assert transport.reading
        assert not transport.aborted

    run_virtually(main())


def test_a_handler_that_fails_ends_its_own_connection_with_a_reason() -> None:
    class Failing(Answering):
        def receive(self, messages: Any) -> None:
            raise ZeroDivisionError("of all things")

    class Recording(DeafTransport):
        said: list[Message] = []  # noqa: RUF012

        def writelines(self, data: Any) -> None:
            self.said += codec.decode_to_client(memoryview(b"".join(data))[LENGTH.size :])

        def close(self) -> None:
            self.aborted = True

    async def main() -> None:
        transport = Recording(peers.SocketPeer(lambda hello, peer: Failing(peer)))
        transport.hear(Hello("client", ""), m.Forget(1))
        agreed, refused = transport.said
        assert isinstance(agreed, Agreed)
        assert isinstance(refused, Refused)
        assert "ZeroDivisionError: of all things" in refused.reason
        assert transport.aborted

    asyncio.run(main())


@LOOPS
def test_a_client_that_never_reads_costs_a_bounded_amount_of_memory(new_loop: Any, monkeypatch: Any) -> None:
    """Over a real socket: it asks for answers for ever, and is stopped by not being read."""
    monkeypatch.setattr(peers, "UNSENT_BYTES", 256 * 1024)

    async def scene(on: Stage, wire: Wire) -> None:
        wire.say(hello(on))
        question = b"".join(codec.frames([m.Request(1, m.ViewFunction("fu-unknown"))] * 100))
        sent, limit = 0, 64 * 1024 * 1024
        with contextlib.suppress(TimeoutError):
            while sent < limit:
                wire.write(question)
                sent += len(question)
                async with asyncio.timeout(1):
                    await wire._writer.drain()
        assert sent < limit
        wire._writer.transport.abort()

    play(scene, new_loop)


def test_the_reason_of_a_refusal_is_a_connection_error_to_our_own_client() -> None:
    with pytest.raises(ConnectionError, match="not Motet's"):
        codec.decode_to_client(memoryview(b"\xc1"))
