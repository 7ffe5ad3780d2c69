"""A client elsewhere whose connection breaks: over the next one it goes on where it was."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from motet.client.peer_process import PeerProcess
from motet.errors import ConnectionError, InvalidError
from motet.model.outcome import CallKind, NewInput
from motet.model.scaling import AutoscalerSettings
from motet.server.access.door import Principal
from motet.server.access.rights import CALL, EVERYTHING
from motet.server.access.tokens import Tokens
from motet.server.clients import conversation as conversations
from motet.server.containers.come_back import Inherited
from motet.wire import client_messages as m
from motet.wire import codec
from motet.wire.container_messages import Cancel, Items
from motet.wire.conversation_messages import NOT_COUNTED, Goodbye, LeadTold, OutcomesTaken, Taken
from motet.wire.hello import Agreed, Hello, Refused
from tests.server.stage import PATIENCE, Container, Stage, Wire, app, function, stage


class ByName:
    """A door where the token is the principal's name."""

    token = "ada"

    def admit(self, token: str, process: PeerProcess | None) -> Principal:
        if not token:
            raise ConnectionError("a token is needed")
        return Principal(token, CALL if token == "eve" else EVERYTHING)

    @property
    def tokens(self) -> Tokens:
        raise InvalidError("there are none")


class Far:
    """A client elsewhere, over one connection after the other."""

    def __init__(self, on: Stage, token: str = "ada") -> None:
        self._on = on
        self._token = token
        self.heartbeat_ms = 0
        self.conversation_token = ""
        self.said: list[Any] = []
        self.heard: list[Any] = []
        self.taken = 0
        """Messages that it says it has."""
        self.agreed: Agreed
        self._wire: Wire

    async def connect(self, taken: int | None = None) -> Agreed:
        """Come, or come back."""
        self._wire = await self._on.connect_from_outside()
        self._wire.say(
            Hello(
                "client",
                self._token,
                confirms=True,
                lasts=True,
                conversation_token=self.conversation_token,
                taken=self.taken if taken is None else taken,
                heartbeat_ms=self.heartbeat_ms,
            )
        )
        (answer,) = await self._wire.hear_any(codec.decode_to_client)
        if isinstance(answer, Refused):
            raise ConnectionError(answer.reason)
        self.agreed = answer
        return self.agreed

    async def begin(self) -> Far:
        self.conversation_token = (await self.connect()).conversation_token
        assert self.conversation_token
        return self

    async def come_back(self) -> None:
        """Take up the conversation, and say again what the server lacks."""
        agreed = await self.connect()
        assert agreed.conversation_token == self.conversation_token
        for message in self.said[agreed.taken :]:
            self._wire.say(message)

    async def cut(self) -> None:
        await self._wire.close()

    def say(self, message: Any, *, is_lost: bool = False) -> None:
        """Say it; `is_lost`: it does not arrive."""
        if not isinstance(message, NOT_COUNTED):
            self.said.append(message)
        if not is_lost:
            self._wire.say(message)

    async def hear(self, kind: type[Any], *, is_lost: bool = False) -> Any:
        """The next message that is part of the conversation; `is_lost`: it does not arrive. It must be of this kind."""
        while True:
            while self.heard:
                message = self.heard.pop(0)
                if not isinstance(message, NOT_COUNTED):
                    self.taken += not is_lost
                    assert isinstance(message, kind), message
                    return message
            self.heard += await self._wire.hear_any(codec.decode_to_client)

    async def hear_taken(self, count: int) -> None:
        """Wait until the server says that it has so much."""
        while True:
            messages = await self._wire.hear_any(codec.decode_to_client)
            self.heard += messages
            if any(isinstance(message, Taken) and message.count >= count for message in messages):
                return

    async def hear_lead(self) -> LeadTold:
        """The next that the server says about how it leads."""
        while True:
            for message in await self._wire.hear_any(codec.decode_to_client):
                if isinstance(message, Taken) and message.lead is not None:
                    return message.lead

    async def wait_closed(self) -> None:
        self.heard += await heard_to_the_end(self._wire)

    # --- what it says ---------------------------------------------------------------------------------------------------

    async def create(self) -> str:
        self.say(m.Request(1, m.CreateApp("ap-1", app(WARM))))
        created = (await self.hear(m.Reply)).body
        return created.functions[0][2]  # type: ignore[no-any-return]

    def call(
        self, function_id: str, index: int = 0, kind: CallKind = CallKind.ATTACHED, *, is_lost: bool = False
    ) -> None:
        self.say(m.SubmitInputs("fc-1", function_id, kind, "", [NewInput(index, b"x")]), is_lost=is_lost)

    async def outcomes(self, *, is_lost: bool = False) -> list[int]:
        return [end.index for end in (await self.hear(m.Outcomes, is_lost=is_lost)).ended]


WARM = function(autoscaler=AutoscalerSettings(min_containers=1, max_containers=1))


async def heard_to_the_end(wire: Wire) -> list[Any]:
    """What comes until the server closes the connection."""
    heard: list[Any] = []
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                heard += await wire.hear_any(codec.decode_to_client)
            except (asyncio.IncompleteReadError, ConnectionResetError):
                return heard


Scene = Callable[[Stage, Far, str, Container], Awaitable[None]]


async def before_the_server_has_it(on: Stage, far: Far, function_id: str, container: Container) -> None:
    far.call(function_id, is_lost=True)
    await far.cut()
    await far.come_back()
    container.finish(await container.deliveries())


async def before_it_is_acknowledged(on: Stage, far: Far, function_id: str, container: Container) -> None:
    far.call(function_id)
    delivered = await container.deliveries()
    await far.cut()
    await far.come_back()
    container.finish(delivered)


async def after_it_is_acknowledged(on: Stage, far: Far, function_id: str, container: Container) -> None:
    far.call(function_id)
    await far.hear_taken(2)
    await far.cut()
    await far.come_back()
    container.finish(await container.deliveries())


async def while_nobody_is_there(on: Stage, far: Far, function_id: str, container: Container) -> None:
    far.call(function_id)
    delivered = await container.deliveries()
    await far.cut()
    await on.wait(on.is_anybody_away)
    container.finish(delivered)
    await far.come_back()


async def while_its_outcome_travels(on: Stage, far: Far, function_id: str, container: Container) -> None:
    far.call(function_id)
    container.finish(await container.deliveries())
    assert await far.outcomes(is_lost=True) == [0]
    await far.cut()
    await far.come_back()


async def again_and_again(on: Stage, far: Far, function_id: str, container: Container) -> None:
    far.call(function_id)
    container.finish(await container.deliveries())
    for _ in range(3):
        assert await far.outcomes(is_lost=True) == [0]
        await far.cut()
        await far.come_back()


async def while_the_old_connection_seems_to_live(on: Stage, far: Far, function_id: str, container: Container) -> None:
    far.call(function_id)
    delivered = await container.deliveries()
    old = far._wire
    await far.come_back()
    await heard_to_the_end(old)
    container.finish(delivered)


async def before_the_answer_to_its_return(on: Stage, far: Far, function_id: str, container: Container) -> None:
    far.call(function_id)
    container.finish(await container.deliveries())
    assert await far.outcomes(is_lost=True) == [0]
    await far.cut()
    await far.connect()
    await far.cut()
    await far.come_back()


@pytest.mark.parametrize(
    "scene",
    [
        before_the_server_has_it,
        before_it_is_acknowledged,
        after_it_is_acknowledged,
        while_nobody_is_there,
        while_its_outcome_travels,
        again_and_again,
        while_the_old_connection_seems_to_live,
        before_the_answer_to_its_return,
    ],
)
def test_wherever_it_breaks_a_call_runs_once_and_ends_once(scene: Scene) -> None:
    async def main() -> None:
        async with stage(listen="tcp", door=ByName()) as on:
            far = await Far(on).begin()
            function_id = await far.create()
            container = await on.container()
            await scene(on, far, function_id, container)
            assert await far.outcomes() == [0]
            far.call(function_id, 1)  # the next one is delivered, and the first was not again
            (second,) = await container.deliveries()
            assert second.index == 1
            container.finish([second])
            assert await far.outcomes() == [1]

    asyncio.run(main())


def test_what_it_has_is_not_said_again() -> None:
    async def main() -> None:
        async with stage(listen="tcp", door=ByName()) as on:
            far = await Far(on).begin()
            function_id = await far.create()
            container = await on.container()
            for index in range(2):
                far.call(function_id, index)
                container.finish(await container.deliveries())
            assert await far.outcomes() == [0]
            assert await far.outcomes(is_lost=True) == [1]
            far.say(Taken(far.taken))
            await far.cut()
            await far.come_back()
            assert await far.outcomes() == [1]

    asyncio.run(main())


def test_a_request_is_carried_out_once_and_answered() -> None:
    async def main() -> None:
        async with stage(listen="tcp", door=ByName()) as on:
            far = await Far(on).begin()
            far.say(m.Request(1, m.CreateApp("ap-1", app(WARM))))
            await on.wait(lambda: len(on.backend.launches) == 1)
            await far.cut()
            await far.come_back()
            assert isinstance((await far.hear(m.Reply)).body, m.AppCreated)

    asyncio.run(main())


def test_a_stream_goes_on_with_the_item_that_is_next() -> None:
    async def main() -> None:
        async with stage(listen="tcp", door=ByName()) as on:
            far = await Far(on).begin()
            function_id = await far.create()
            container = await on.container()
            far.call(function_id, kind=CallKind.STREAM)
            (attempt,) = await container.deliveries()
            container.executor.say(Items(attempt.attempt, [b"0"]))
            assert (await far.hear(m.CallItems)).items == [b"0"]
            container.executor.say(Items(attempt.attempt, [b"1"]))
            assert (await far.hear(m.CallItems, is_lost=True)).items == [b"1"]
            await far.cut()
            await on.wait(on.is_anybody_away)
            container.executor.say(Items(attempt.attempt, [b"2"]))
            container.finish([attempt])
            await far.come_back()
            assert (await far.hear(m.CallItems)).items == [b"1"]
            assert (await far.hear(m.CallItems)).items == [b"2"]
            assert await far.outcomes() == [0]

    asyncio.run(main())


async def stays_away(on: Stage, far: Far) -> None:
    await far.cut()


async def says_goodbye(on: Stage, far: Far) -> None:
    far.say(Goodbye())


async def says_what_is_none_of_ours(on: Stage, far: Far) -> None:
    far._wire.write(b"\x01\x00\x00\x00\xc1")


async def says_that_it_has_what_was_never_sent(on: Stage, far: Far) -> None:
    far.say(Taken(1000))


async def reads_nothing_that_it_is_sent(on: Stage, far: Far) -> None:
    """It is away, and more waits for it than may."""
    await far.cut()
    await on.wait(on.is_anybody_away)
    for number in range(3):
        for conversation in list(on.server.conversations._all.values()):
            conversation.send([m.CallItems("fc-1", 0, [bytes([number]) * 1000])])


@pytest.mark.parametrize(
    ("leave", "grace"),
    [
        (stays_away, 0.05),
        (says_goodbye, 30.0),
        (says_what_is_none_of_ours, 30.0),
        (says_that_it_has_what_was_never_sent, 30.0),
        (reads_nothing_that_it_is_sent, 30.0),
    ],
)
def test_who_does_not_come_back_has_its_calls_cancelled(
    leave: Callable[[Stage, Far], Awaitable[None]], grace: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversations, "KEPT_BYTES", 1500)

    async def main() -> None:
        async with stage(listen="tcp", door=ByName(), connection_grace=grace) as on:
            owner = on.operator()
            (function_id,) = await owner.create(WARM)
            far = await Far(on).begin()
            container = await on.container()
            far.call(function_id)
            (attempt,) = await container.deliveries()
            await leave(on, far)
            (cancel,) = await container.control.hear(codec.decode_to_control)
            assert isinstance(cancel, Cancel)
            assert cancel.attempts == [attempt.attempt]
            assert len(on.server.conversations) == 0
            agreed = await far.connect(0)
            assert agreed.conversation_token not in ("", far.conversation_token)
            assert agreed.taken == 0

    asyncio.run(main())


def test_who_has_said_something_that_never_came_can_come_back_and_say_it_again() -> None:
    async def main() -> None:
        async with stage(listen="tcp", door=ByName()) as on:
            far = await Far(on).begin()
            far.say(m.Request(1, m.CreateApp("ap-1", app(WARM))), is_lost=True)
            await far.cut()
            await on.wait(lambda: len(on.server.conversations) == 1)
            await far.come_back()
            assert far.agreed.taken == 0
            assert isinstance((await far.hear(m.Reply)).body, m.AppCreated)

    asyncio.run(main())


def test_clients_are_told_when_the_lead_of_their_server_comes_into_doubt_also_those_that_come_back() -> None:
    async def main() -> None:
        async with stage(listen="tcp", door=ByName()) as on:
            far = await Far(on).begin()
            doubt = LeadTold(in_doubt=True, others=(("tcp:b:1", ""),))
            on.server.conversations.tell(doubt)
            assert await far.hear_lead() == doubt
            await far.cut()
            await far.come_back()
            assert await far.hear_lead() == doubt
            await far.cut()
            on.server.conversations.tell(LeadTold())
            await far.come_back()
            on.server.conversations.tell(doubt)
            assert await far.hear_lead() == doubt

    asyncio.run(main())


def test_clients_whose_conversations_are_not_kept_are_refused_when_another_server_may_lead() -> None:
    async def main() -> None:
        async with stage(listen="tcp", door=ByName(), connection_grace=0.0) as on:
            far = Far(on)
            assert not (await far.connect()).conversation_token
            on.server.conversations.tell(LeadTold(in_doubt=True))
            assert not (await Far(on).connect()).conversation_token, (
                "the database is away, and there is no other server"
            )
            on.server.conversations.tell(LeadTold(in_doubt=True, others=(("tcp:b:1", ""),)))
            why = "cannot reach its database, and another server may lead by now: tcp:b:1"
            assert why in await far._wire.refusal()
            with pytest.raises(ConnectionError, match=why):
                await Far(on).connect()
            on.server.conversations.tell(LeadTold(others=(("tcp:b:1", ""),)))
            assert not (await Far(on).connect()).conversation_token

    asyncio.run(main())


@pytest.mark.parametrize("who", ["eve", "bob"])
def test_nobody_takes_up_what_another_principal_has_said(who: str) -> None:
    async def main() -> None:
        async with stage(listen="tcp", door=ByName()) as on:
            far = await Far(on).begin()
            function_id = await far.create()
            container = await on.container()
            far.call(function_id)
            delivered = await container.deliveries()
            thief = Far(on, who)
            thief.conversation_token = far.conversation_token
            agreed = await thief.connect()
            assert agreed.conversation_token not in ("", far.conversation_token)
            assert agreed.taken == 0
            container.finish(delivered)
            assert await far.outcomes() == [0]  # and its owner has lost nothing

    asyncio.run(main())


@pytest.mark.parametrize("taken", [0, 2, -1, 2**62])
def test_who_comes_back_with_numbers_that_cannot_be_is_refused_and_the_conversation_stays(taken: int) -> None:
    async def main() -> None:
        async with stage(listen="tcp", door=ByName()) as on:
            far = await Far(on).begin()
            await far.create()
            far.say(Taken(1))
            far.say(m.Request(2, m.ViewApp("ap-1")))
            await far.hear(m.Reply, is_lost=True)
            await far.cut()
            if taken != 2:
                with pytest.raises(ConnectionError, match="messages are said to be taken in"):
                    await far.connect(taken)
            await far.come_back()
            assert (await far.hear(m.Reply)).request_id == 2

    asyncio.run(main())


def test_a_client_that_is_silent_is_cut_off_and_may_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversations, "SHORTEST_HEARTBEAT", 0.01)

    async def main() -> None:
        async with stage(listen="tcp", door=ByName()) as on:
            far = await Far(on).begin()
            function_id = await far.create()
            container = await on.container()
            far.call(function_id)
            container.finish(await container.deliveries())
            assert await far.outcomes(is_lost=True) == [0]
            await far.cut()
            far.heartbeat_ms = 10
            await far.come_back()
            await far.wait_closed()
            assert any(isinstance(message, Taken) for message in far.heard), "the server spoke all the time"
            far.heard.clear()
            far.heartbeat_ms = 0
            await far.come_back()
            assert await far.outcomes() == [0]

    asyncio.run(main())


def test_one_that_is_away_makes_room_for_another_of_the_same_principal() -> None:
    async def main() -> None:
        async with stage(listen="tcp", door=ByName(), connections=2) as on:
            away, here = await Far(on).begin(), await Far(on).begin()
            for far in (away, here):
                far.say(m.Request(1, m.ViewApp("ap-none")))
                await far.hear(m.Reply)
            await away.cut()
            await on.wait(on.is_anybody_away)
            await Far(on).begin()
            with pytest.raises(ConnectionError, match="2 connections are open already"):
                await Far(on).begin()
            here.say(m.Request(2, m.ViewApp("ap-none")))
            assert (await here.hear(m.Reply)).request_id == 2

    asyncio.run(main())


async def nothing_left() -> None:
    """There is no next server."""


def test_containers_keep_outcomes_until_their_client_has_them_over_whatever_connection() -> None:
    async def main() -> None:
        async with stage(listen="tcp", door=ByName(), inherited=Inherited((), 1, nothing_left)) as on:
            far = await Far(on).begin()
            function_id = await far.create()
            container = await on.container()
            far.call(function_id)
            container.finish(await container.deliveries())
            unacknowledged = on.server._containers.unacknowledged
            assert unacknowledged is not None
            assert await far.outcomes(is_lost=True) == [0]
            await far.cut()
            await far.come_back()
            assert await far.outcomes() == [0]
            assert len(unacknowledged) == 1
            far.say(OutcomesTaken(1))
            await on.wait(lambda: len(unacknowledged) == 0)

    asyncio.run(main())
