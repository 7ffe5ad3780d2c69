"""What clients are answered about spawned calls that outlive the server, and what the engine is told of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar, cast

import msgspec
import pytest

from motet.core.commands import SaveOutcomes, SaveTries
from motet.core.events import InputsSubmitted
from motet.errors import AlreadyExistsError, NotFoundError, OutputExpiredError, ServiceError
from motet.model.ids import id_suffix
from motet.model.outcome import CallKind, InputEnd, NewInput, OutcomeKind
from motet.server.apps.catalogue import Catalogue
from motet.server.clients.spawned import SpawnedInputs, SpawnKey
from motet.server.clock import Clock
from motet.server.journal.durable_calls import MOST_ARGUMENTS_BYTES, MOST_IN_TURN, MOST_TOGETHER_BYTES, DurableCalls
from motet.server.journal.keeper import JournalKeeper
from motet.store.journal import JournalUnclear
from motet.store.journal_memory import JournalMemory, MemoryJournal
from motet.store.memory import MemoryCallStore
from motet.testing.virtual_loop import VirtualLoop
from motet.wire import client_messages as m
from motet.wire import failure

DAY = 86400.0
NOW = 1_700_000_000.0


class Functions:
    """Of a catalogue: what is asked when a call is accepted. Those of `gone` take nothing any more."""

    def __init__(self) -> None:
        self.gone: set[str] = set()
        self.inputs_waiting = 0

    def takes(self, function_id: str) -> bool:
        return function_id not in self.gone

    def waiting(self, function_id: str) -> int:
        return self.inputs_waiting

    def variant(self, function_id: str) -> None:
        return None


class Client:
    """One that asks, and is answered."""

    def __init__(self, number: int = 1) -> None:
        self.number = self.principal = number
        self.answers: dict[int, asyncio.Future[m.ReplyBody]] = {}
        self.messages: list[int] = []
        """How many answers came in each."""

    def reply(self, request_id: int, body: m.ReplyBody) -> None:
        self.reply_all([(request_id, body)])

    def reply_all(self, answers: Sequence[tuple[int, m.ReplyBody]]) -> None:
        self.messages.append(len(answers))
        for request_id, body in answers:
            self.answers[request_id].set_result(body)

    async def ask(self, said: Callable[[int], m.ReplyBody | None]) -> Any:
        number = len(self.answers) + 1
        self.answers[number] = asyncio.get_running_loop().create_future()
        assert said(number) is None, "the answer comes later"
        found = await self.answers[number]
        return failure.rebuild(found.failure) if isinstance(found, m.RequestFailed) else found


class Stage:
    def __init__(self) -> None:
        self.memory = JournalMemory()
        self.functions = Functions()
        self.taken: list[InputsSubmitted] = []
        self.turns: list[int] = []
        """How many events the engine got at once."""
        self.failing = False
        self.breaks_after_commit: bool | None = None
        """Whether the next commit, whose connection breaks, is there all the same."""
        stage = self

        class Disk(MemoryJournal):
            def keep(self, entries: Any) -> None:
                if stage.failing:
                    raise ServiceError("the disk is full")
                if stage.breaks_after_commit is not None:
                    breaks_after, stage.breaks_after_commit = stage.breaks_after_commit, None
                    stage.failing = True
                    if breaks_after:
                        super().keep(entries)
                    raise JournalUnclear("the connection broke in a commit")
                super().keep(entries)

        loop = asyncio.get_running_loop()
        clock = Clock(loop.time, lambda: NOW + loop.time())
        self.keeper = JournalKeeper(Disk(self.memory), loop, 7 * DAY, lambda: None, clock.wall_now)
        self.calls = DurableCalls(MemoryCallStore(), self.keeper, clock)
        self.calls.serve(cast(Catalogue, self.functions), lambda alias: "fu-2")

    def spawned(
        self,
        call: str,
        *indices: int,
        again: bool = False,
        called_as: str = "",
        by: int = 1,
        none: bool = False,
        size: int = 0,
    ) -> SpawnedInputs:
        """`none`: without inputs. `size`: of the arguments, at least."""
        inputs = [NewInput(index, f"{call}{index}".ljust(size).encode()) for index in (() if none else indices or (0,))]
        event = InputsSubmitted(call, "fu-1", by, CallKind.SPAWNED, "", inputs, principal=by)
        return SpawnedInputs(event, self.take, "shop", called_as, again)

    def take(self, *events: InputsSubmitted) -> None:
        self.turns.append(len(events))
        self.taken.extend(events)

    async def spawn(self, client: Client, spawned: SpawnedInputs) -> Any:
        return await client.ask(lambda number: self.calls.spawn(client, number, spawned))

    async def spawn_all(self, client: Client, *spawned: SpawnedInputs) -> list[Any]:
        """As what came together."""
        asked: list[tuple[int, SpawnedInputs]] = []

        def add(number: int, each: SpawnedInputs) -> None:
            asked.append((number, each))

        answers = [asyncio.ensure_future(client.ask(lambda number, it=each: add(number, it))) for each in spawned]  # type: ignore[misc]
        await asyncio.sleep(0)
        self.calls.spawn_all(client, asked)
        return await asyncio.gather(*answers)

    async def once(self, client: Client, key: str, spawned: SpawnedInputs) -> Any:
        under = SpawnKey.of(key, spawned.event, spawned.called_as)
        return await client.ask(lambda number: self.calls.spawn_once(client, number, spawned, under))

    async def outcomes(
        self, client: Client, call: str, index: int = 0, *, wait: bool = True, by: int | None = None
    ) -> Any:
        question = m.AwaitOutcomes(call, index, wait)
        return await client.ask(lambda number: self.calls.await_outcomes(client, number, question, by))

    def await_input(self, client: Client, number: int, index: int) -> m.ReplyBody | None:
        return self.calls.await_outcomes(client, number, m.AwaitOutcomes("fc-a", index, wait=True), None)

    def end(self, call: str, kind: OutcomeKind = OutcomeKind.SUCCESS, *, unwanted: bool = False) -> None:
        self.calls.save(SaveOutcomes(call, [InputEnd(0, kind, b"r")], unwanted))

    async def close(self) -> None:
        """Once all that is owed is kept."""
        await self.keeper.close()


S = TypeVar("S", bound=Stage)


async def answer_of(keeper: JournalKeeper, question: Callable[[Any], Any]) -> Any:
    """What the journal answers."""
    found = asyncio.get_running_loop().create_future()
    keeper.look(question, found.set_result)
    return await found


def play_on(make: Callable[[], S], scene: Callable[[S, Client], Coroutine[Any, Any, None]]) -> None:
    """Plays it on a stage that is made for it, on virtual time."""

    async def whole() -> None:
        stage = make()
        await scene(stage, Client())
        await stage.close()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(whole())


def play(scene: Callable[[Stage, Client], Coroutine[Any, Any, None]]) -> None:
    play_on(Stage, scene)


def test_inputs_run_once_they_are_kept() -> None:
    async def scene(on: Stage, client: Client) -> None:
        assert await on.spawn(client, on.spawned("fc-a", 0, 1)) == m.Done()
        assert [len(event.inputs) for event in on.taken] == [2]
        assert list(on.memory.unfinished) == ["fc-a"]

    play(scene)


def test_what_one_commit_keeps_runs_from_one_turn_on_and_each_client_hears_of_it_in_one_message() -> None:
    async def scene(on: Stage, client: Client) -> None:
        other = Client(2)
        spawns = [on.spawn(client, on.spawned(f"fc-{number}")) for number in range(30)]
        spawns += [on.spawn(other, on.spawned(f"fc-of-other-{number}", by=2)) for number in range(20)]
        assert await asyncio.gather(*spawns) == [m.Done()] * 50
        # The first goes to the disk alone; while it is on its way, all others gather.
        assert on.turns == [1, 49]
        assert (client.messages, other.messages) == ([1, 29], [20])

    play(scene)


def test_spawns_that_came_together_are_kept_by_one_commit_and_answered_in_one_message() -> None:
    async def scene(on: Stage, client: Client) -> None:
        spawned = [on.spawned(f"fc-{number}", called_as="fu-@shop/f") for number in range(150)]
        assert await on.spawn_all(client, *spawned, on.spawned("fc-empty", none=True)) == [m.Done()] * 151
        assert (on.turns, client.messages) == ([150], [151])
        kept = await answer_of(on.keeper, lambda journal: [journal.call(f"fc-{number}") for number in range(150)])
        assert {(call.app, call.called_as, call.principal, inputs) for call, inputs in kept} == {
            ("shop", "fu-@shop/f", 1, 1)
        }
        assert await answer_of(on.keeper, lambda journal: journal.call("fc-empty")[1]) == 0

    play(scene)


def test_many_or_large_ones_that_came_together_are_cut_into_what_the_engine_takes_in_a_turn() -> None:
    async def scene(on: Stage, client: Client) -> None:
        spawned = [on.spawned(f"fc-{number}") for number in range(MOST_IN_TURN + 50)]
        assert await on.spawn_all(client, *spawned) == [m.Done()] * len(spawned)
        assert on.turns == [MOST_IN_TURN, 50]
        on.turns.clear()
        large = [on.spawned(f"fc-large-{number}", size=MOST_TOGETHER_BYTES // 2 + 1) for number in range(3)]
        assert await on.spawn_all(client, *large) == [m.Done()] * 3
        assert on.turns == [2, 1]

    play(scene)


def test_of_those_that_came_together_one_that_cannot_be_is_refused_alone() -> None:
    async def scene(on: Stage, client: Client) -> None:
        await on.spawn(Client(2), on.spawned("fc-of-other", by=2))
        *done, refused = await on.spawn_all(
            client, on.spawned("fc-a"), on.spawned("fc-b"), on.spawned("fc-of-other", 1)
        )
        assert done == [m.Done()] * 2
        assert isinstance(refused, AlreadyExistsError)
        assert [event.call_id for event in on.taken] == ["fc-of-other", "fc-a", "fc-b"]
        on.failing = True
        both = await on.spawn_all(client, on.spawned("fc-c"), on.spawned("fc-d"))
        assert [(type(each), str(each)) for each in both] == [(ServiceError, "the disk is full")] * 2
        assert len(on.taken) == 3

    play(scene)


def test_those_that_came_together_go_on_with_the_version_that_has_the_name_if_theirs_is_gone() -> None:
    async def scene(on: Stage, client: Client) -> None:
        on.functions.gone.add("fu-1")
        await on.spawn_all(client, on.spawned("fc-a", called_as="fu-@shop/f"), on.spawned("fc-b"))
        assert [event.function_id for event in on.taken] == ["fu-2", "fu-1"]

    play(scene)


def test_where_many_wait_arguments_are_left_to_the_journal() -> None:
    async def scene(on: Stage, client: Client) -> None:
        told: list[int] = []
        on.calls.on_left = lambda: told.append(len(on.taken))
        on.functions.inputs_waiting = MOST_ARGUMENTS_BYTES // 5  # as many as fit, of five bytes each
        await on.spawn(client, on.spawned("fc-a", 0))
        on.functions.inputs_waiting += 1
        await on.spawn(client, on.spawned("fc-b", 0, 1))
        assert [(event.on_disk, [new.payload for new in event.inputs]) for event in on.taken] == [
            (False, [b"fc-a0"]),
            (True, [b"", b""]),
        ]
        assert told == [1], "before the engine has them"
        read = await answer_of(on.keeper, lambda journal: journal.payloads([("fc-b", 1), ("fc-b", 0)]))
        assert read == [b"fc-b1", b"fc-b0"]

    play(scene)


def test_no_turn_of_the_engine_is_long_however_many_a_commit_has_kept() -> None:
    async def scene(on: Stage, client: Client) -> None:
        await asyncio.gather(*(on.spawn(client, on.spawned(f"fc-{number}")) for number in range(451)))
        assert on.turns == [1, 200, 200, 50]

    play(scene)


def test_large_outcomes_do_not_wait_for_others() -> None:
    async def scene(on: Stage, client: Client) -> None:
        await on.spawn(client, on.spawned("fc-a", 0, 1, 2))
        waiting = [
            asyncio.ensure_future(client.ask(lambda number, index=index: on.await_input(client, number, index)))  # type: ignore[misc]
            for index in range(3)
        ]
        await asyncio.sleep(1)
        sizes = 10, 300_000, 10
        ends = [InputEnd(index, OutcomeKind.SUCCESS, bytes(size)) for index, size in enumerate(sizes)]
        on.calls.save(SaveOutcomes("fc-a", ends))
        found = await asyncio.gather(*waiting)
        assert [len(each.ended[0].payload) for each in found] == list(sizes)
        assert client.messages == [1, 2, 1]

    play(scene)


def test_what_cannot_be_kept_is_refused_and_does_not_run() -> None:
    async def scene(on: Stage, client: Client) -> None:
        on.failing = True
        refused = await on.spawn(client, on.spawned("fc-a"))
        assert (type(refused), str(refused)) == (ServiceError, "the disk is full")
        assert on.taken == []

    play(scene)


@pytest.mark.parametrize("is_kept", [True, False])
def test_of_an_unclear_commit_nobody_hears_until_it_is_known_what_became_of_it(is_kept: bool) -> None:
    async def scene(on: Stage, client: Client) -> None:
        on.breaks_after_commit = is_kept
        answer = asyncio.ensure_future(on.once(client, "order-17", on.spawned("fc-a")))
        await asyncio.sleep(10)
        assert not answer.done()
        assert on.taken == []
        on.failing = False
        if is_kept:
            assert await answer == m.CallSpawned("fc-a")
        else:
            assert type(await answer) is ServiceError
        assert await on.once(client, "order-17", on.spawned("fc-a")) == m.CallSpawned("fc-a")
        assert [event.call_id for event in on.taken] == ["fc-a"]

        on.breaks_after_commit = is_kept
        both = asyncio.ensure_future(on.spawn_all(client, on.spawned("fc-b"), on.spawned("fc-c")))
        await asyncio.sleep(10)
        assert not both.done()
        on.failing = False
        assert {type(each) for each in await both} == {m.Done if is_kept else ServiceError}
        assert len(on.taken) == (3 if is_kept else 1)

    play(scene)


def test_inputs_that_are_here_already_do_not_run_once_more() -> None:
    async def scene(on: Stage, client: Client) -> None:
        await on.spawn(client, on.spawned("fc-a", 0, 1))
        on.end("fc-a")
        assert await on.spawn(client, on.spawned("fc-a", 0, 1, 2, again=True)) == m.Done()
        assert [[new.index for new in event.inputs] for event in on.taken] == [[0, 1], [2]]

    play(scene)


def test_nobody_adds_to_another_principals_call_or_takes_its_outcome() -> None:
    async def scene(on: Stage, client: Client) -> None:
        await on.spawn(client, on.spawned("fc-a"))
        other = Client(2)
        assert isinstance(await on.spawn(other, on.spawned("fc-a", 1, by=2)), AlreadyExistsError)
        assert isinstance(await on.outcomes(other, "fc-a", wait=False, by=2), NotFoundError)
        viewed = await other.ask(lambda number: on.calls.view(other, number, m.ViewCall("fc-a"), 2))
        assert isinstance(viewed, NotFoundError)
        assert len(on.taken) == 1

    play(scene)


def test_whoever_waits_is_told_when_an_outcome_is_kept() -> None:
    async def scene(on: Stage, client: Client) -> None:
        await on.spawn(client, on.spawned("fc-a"))
        assert (await on.outcomes(client, "fc-a", wait=False)).ended == []
        on.failing = True
        waiting = asyncio.ensure_future(on.outcomes(client, "fc-a", by=1))
        await asyncio.sleep(1.0)
        on.end("fc-a")
        await asyncio.sleep(5.0)
        assert not waiting.done()
        on.failing = False
        assert [each.payload for each in (await waiting).ended] == [b"r"]
        assert [each.payload for each in (await on.outcomes(client, "fc-a")).ended] == [b"r"]

    play(scene)


def test_a_call_that_is_gone_because_it_is_old_has_expired() -> None:
    async def scene(on: Stage, client: Client) -> None:
        old = "fc-" + id_suffix(int((NOW - 8 * DAY) * 1000), 1)
        young = "fc-" + id_suffix(int((NOW - 6 * DAY) * 1000), 1)
        expired = await on.outcomes(client, old)
        assert isinstance(expired, OutputExpiredError)
        assert "results are kept for 7 days" in str(expired)
        assert isinstance(await on.outcomes(client, young), NotFoundError)
        assert isinstance(await on.outcomes(client, "fc-strange"), NotFoundError)

    play(scene)


def test_a_version_that_went_meanwhile_leaves_its_calls_to_the_one_that_has_the_name() -> None:
    async def scene(on: Stage, client: Client) -> None:
        on.functions.gone.add("fu-1")
        await on.spawn(client, on.spawned("fc-a", called_as="fu-@shop/f"))
        assert [event.function_id for event in on.taken] == ["fu-2"]

    play(scene)


def test_a_key_gives_the_call_that_is_there() -> None:
    async def scene(on: Stage, client: Client) -> None:
        assert await on.once(client, "k", on.spawned("fc-a")) == m.CallSpawned("fc-a")
        same = msgspec.structs.replace(on.spawned("fc-b").event, inputs=on.taken[0].inputs)
        again = SpawnedInputs(same, on.taken.append, "shop")
        assert await on.once(client, "k", again) == m.CallSpawned("fc-a")
        assert isinstance(await on.once(client, "k", on.spawned("fc-c")), AlreadyExistsError)
        assert await on.once(Client(2), "k", on.spawned("fc-d", by=2)) == m.CallSpawned("fc-d")
        assert [event.call_id for event in on.taken] == ["fc-a", "fc-d"]

    play(scene)


def test_of_two_with_one_key_at_the_same_moment_one_is_made() -> None:
    async def scene(on: Stage, client: Client) -> None:
        first = on.spawned("fc-a")
        second = SpawnedInputs(msgspec.structs.replace(first.event, call_id="fc-b"), on.taken.append, "shop")
        found = await asyncio.gather(on.once(client, "k", first), on.once(Client(), "k", second))
        assert list(found) == [m.CallSpawned("fc-a")] * 2
        assert [event.call_id for event in on.taken] == ["fc-a"]

    play(scene)


def test_tries_are_kept_with_their_moment_on_the_wall_clock() -> None:
    async def scene(on: Stage, client: Client) -> None:
        await on.spawn(client, on.spawned("fc-a"))
        on.calls.save_tries(SaveTries("fc-a", 0, 2, 1, 0, 5.0, 77))
        await on.keeper.close()
        ((tried, _),) = on.memory.calls["fc-a"].waiting.values()
        assert (tried.attempts, tried.retries, tried.due_at, tried.last_attempt) == (2, 1, NOW + 5.0, 77)

    play(scene)


def test_what_ends_with_the_server_is_left_to_the_next_one() -> None:
    async def scene(on: Stage, client: Client) -> None:
        for call in ("fc-a", "fc-b"):
            await on.spawn(client, on.spawned(call))
        on.calls.ending()
        on.end("fc-a", OutcomeKind.CANCELLED)
        on.end("fc-b")
        await on.keeper.close()
        assert list(on.memory.unfinished) == ["fc-a"]

    play(scene)


def test_what_was_cancelled_before_the_server_ends_does_not_run_with_the_next_one() -> None:
    async def scene(on: Stage, client: Client) -> None:
        for call in ("fc-a", "fc-b", "fc-c"):
            await on.spawn(client, on.spawned(call))
        on.calls.ending()
        on.end("fc-a", OutcomeKind.CANCELLED, unwanted=True)
        on.end("fc-b", OutcomeKind.LOST, unwanted=True)
        on.end("fc-c", OutcomeKind.CANCELLED)
        await on.keeper.close()
        assert list(on.memory.unfinished) == ["fc-c"]

    play(scene)


def test_what_is_cancelled_after_it_has_ended_with_the_server_does_not_run_with_the_next_one() -> None:
    async def scene(on: Stage, client: Client) -> None:
        for call in ("fc-a", "fc-b", "fc-c"):
            await on.spawn(client, on.spawned(call, 0, 1))
        on.calls.ending()
        for call in ("fc-a", "fc-b", "fc-c"):
            ended = [InputEnd(0, OutcomeKind.SUCCESS, b"r"), InputEnd(1, OutcomeKind.CANCELLED, b"stopped")]
            on.calls.save(SaveOutcomes(call, ended))
        on.calls.cancelled("fc-a", 1, "by its caller")
        on.calls.cancelled("fc-a", 1, "by its caller")
        on.calls.cancelled("fc-b", 2, "by its caller")  # another principal
        on.calls.cancelled("fc-c", None, "by its caller")
        (told,) = (await on.outcomes(client, "fc-a", 1)).ended
        await on.keeper.close()
        assert list(on.memory.unfinished) == ["fc-b"]
        assert (told.index, told.kind) == (1, OutcomeKind.CANCELLED)
        assert str(failure.rebuild(told.payload)) == "Input was cancelled: by its caller"

    play(scene)
