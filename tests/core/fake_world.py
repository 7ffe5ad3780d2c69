"""A world that obeys the engine's commands, and holds it to its promises: the counterpart of the random walk.

It knows nothing of pools, queues or policies: it counts what is really there (containers, the attempts they hold, the
inputs that were accepted and the outcomes that came) and asserts at every command what must hold whatever happened.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random

from msgspec.structs import replace

from motet.core import commands as c
from motet.core import events as e
from motet.core.autoscaler import Policy
from motet.core.host import HostLimits
from motet.core.policies import POLICIES
from motet.core.policies.modal import ModalPolicy
from motet.core.policies.motet import MotetPolicy
from motet.core.scaler import ENOUGH
from motet.model.current_attempt import FIRST, Attempt
from motet.model.function import FunctionSpec
from motet.model.gpu import FoundGpus, Gpu
from motet.model.host import OWN_HOST, HostSpec
from motet.model.outcome import BEGUN, AttemptEnd, CallKind, Delivery, HeldAttempt, NewInput, OutcomeKind, RestoredInput
from motet.model.scaling import AutoscalerSettings, Batching
from motet.runtime.slots import Slots
from motet.testing.playbook import text_failure
from tests.core.recording_engine import RecordingEngine

InputKey = tuple[str, int]

STRANGER = 99
"""A client that knows ids of calls that are not its own."""


@dataclass
class FakeContainer:
    """What a container knows: its phase, and the attempts it holds, each with its input and when it was cancelled.

    While its code blocks it (`busy`), deliveries are not read: cancellations, which come another way, overtake them.
    """

    container_id: str
    function_id: str
    phase: str = "starting"
    held: dict[int, InputKey] = field(default_factory=dict)
    batches: dict[int, list[int]] = field(default_factory=dict)
    cancelled: dict[int, float] = field(default_factory=dict)
    busy: bool = False
    unread: list[int] = field(default_factory=list)
    """Deliveries that wait to be read, by attempt, or by the first of a batch."""
    again: dict[int, Attempt | None] = field(default_factory=dict)
    """Why each attempt that came was made, as its delivery said."""
    kept: dict[int, tuple[InputKey, AttemptEnd]] = field(default_factory=dict)
    """How attempts ended, until another one is made at their inputs: what the next server is told of."""
    cut: set[int] = field(default_factory=set)
    """Streams that have lost their consumers with the server."""
    given_back: set[int] = field(default_factory=set)
    """Attempts that were not read when its event loop was stuck: they will not begin."""
    read: Slots = field(default_factory=lambda: Slots(10**6))
    gpus: tuple[str, ...] = ()
    host: str = OWN_HOST
    share: float = 1.0
    deliveries: int = 0
    wants_no_more: bool = False
    limit: int = 1 << 62
    blocked: bool = False
    silent: bool = False
    frozen_at: float | None = None
    deadline: float | None = None
    """When it may be killed though it works, because it was told to go."""

    @property
    def held_up(self) -> bool:
        return self.blocked or self.silent

    def members(self, attempt: int) -> list[int]:
        """The attempts that a delivery brought."""
        return self.batches.get(attempt, [attempt])

    def batch_of(self, attempt: int) -> int:
        """The first attempt of the batch that this one came with; 0: it came alone."""
        return next((first for first, members in self.batches.items() if attempt in members), 0)

    @property
    def known(self) -> dict[int, InputKey]:
        """What it holds and has read."""
        unread = {member for attempt in self.unread for member in self.members(attempt)}
        return {attempt: key for attempt, key in self.held.items() if attempt not in unread}

    @property
    def frozen(self) -> bool:
        return self.frozen_at is not None

    @property
    def slots(self) -> int:
        """How many are taken: one by each attempt, or by each batch of which any is left."""
        if not self.batches:
            return len(self.held)
        return sum(any(attempt in self.held for attempt in batch) for batch in self.batches.values())

    def above(self, seen: int) -> set[int]:
        """The attempts that it has not read, if that was the last one: batches go by their first."""
        batches = [batch for first, batch in self.batches.items() if first > seen]
        late = {attempt for batch in batches for attempt in batch} if self.batches else set(self.held)
        return {attempt for attempt in late if attempt in self.held and (self.batches or attempt > seen)}

    @property
    def works(self) -> bool:
        return any(attempt not in self.cancelled for attempt in self.held)


@dataclass
class FakeFunction:
    """A function as its owner sees it."""

    app_id: str
    spec: FunctionSpec
    settings: AutoscalerSettings
    stopped: bool = False
    retired: bool = False
    warm: int = 0
    fails_to_start: bool = False
    deaths: int = 0
    finished: int = 0


class FakeWorld:
    """Feeds the engine and obeys it."""

    def __init__(self, limits: HostLimits, policy: Policy = POLICIES["motet"], inputs_per_turn: int = 500) -> None:
        self.limits = limits
        self.policy = policy
        self.inputs_per_turn = inputs_per_turn
        self.runs = 0
        self.engine = self._new_engine(1)
        self.now = 0.0
        self.wake_at: float | None = None
        self.functions: dict[str, FakeFunction] = {}
        self.containers: dict[str, FakeContainer] = {}
        self.calls: dict[str, tuple[str, int, CallKind]] = {}
        self.accepted: Counter[InputKey] = Counter()
        self.accepted_at: dict[InputKey, float] = {}
        self.outcomes: Counter[InputKey] = Counter()
        self.may_be_cancelled: set[InputKey] = set()
        self.may_be_lost: set[InputKey] = set()
        self.may_be_terminated: set[str] = set()
        """Containers that a cancelled call may take with it."""
        self.parents: dict[str, InputKey] = {}
        self.seen_attempts: set[int] = set()
        self.attempts: dict[InputKey, list[tuple[FakeContainer, int]]] = {}
        """All attempts at each input, and where they were."""
        self.numbers: Counter[InputKey] = Counter()
        """How many attempts at each input the server that runs now has made, or has found running: it counts no others."""
        self.may_have_run: set[InputKey] = set()
        """Submitted again, and not found running: the server cannot know whether they ran before it."""
        self.begun: dict[InputKey, c.SaveTries] = {}
        """Of inputs that run at most once: what a journal was told before they were delivered."""
        self.cut_off: set[InputKey] = set()
        """Streams that are cancelled where they run, and of which nobody has been told yet."""
        self.stopped_apps: Counter[str] = Counter()
        self.gpus: dict[str, Gpu] = {}
        self.hosts: dict[str, HostSpec] = {OWN_HOST: HostSpec(host_id=OWN_HOST, containers=limits.containers)}
        """The server's own machine, and those that have joined."""
        self.gpus_wanted = False
        self.delivered_at: dict[InputKey, float] = {}
        self.stood_still = 0.0
        """How long the server stood still in all: inputs that waited may have waited as much longer."""
        self.recorded: Counter[InputKey] = Counter()
        self.recorded_calls: Counter[str] = Counter()
        self.fed: Counter[InputKey] = Counter()
        self.restored: set[str] = set()
        """Calls that were kept over a restart."""
        self.were_fed: set[InputKey] = set()
        self.refused_to_strangers = 0
        self.bounds_inputs = False
        """A principal or app may have so many."""
        self.bounds: list[tuple[set[str], int]] = []
        """Apps, and how many containers they may have together."""

    def _new_engine(self, first_attempt: int) -> RecordingEngine:
        self.runs += 1
        return RecordingEngine(
            failure=text_failure,
            limits=self.limits,
            policy=self.policy,
            inputs_per_turn=self.inputs_per_turn,
            first_attempt=first_attempt,
            id_base="" if self.runs == 1 else f"run{self.runs}x",
        )

    def restart(self, dice: Random) -> None:
        """The server was killed, and another takes over: ready containers come back, and clients submit again what has not
        ended, and spawned inputs were kept. All else is gone: containers that are no use yet or any more, what was not read.
        Some of what ran has ended meanwhile; streams are cancelled where they run, and their clients do without them."""
        self.engine = self._new_engine(1 + max(self.seen_attempts, default=0))
        self.wake_at = None
        self.recorded_calls.clear()
        gone = [container for container in self.containers.values() if not self._survives(container)]
        for container in gone:
            del self.containers[container.container_id]
        unfinished = self.unfinished()
        self.accepted = Counter(self.outcomes)
        events: list[e.Event] = [e.GpusFound(FoundGpus(gpus=tuple(self.gpus.values())))] if self.gpus else []
        retired = {function.app_id for function in self.functions.values() if function.retired and not function.stopped}
        for function_id, function in self.functions.items():
            function.warm, function.retired = 0, False
            if not function.stopped:
                events.append(e.FunctionAdded(function_id, function.app_id, function.spec))
                events.append(e.AutoscalerChanged(function_id, function.settings))
        events += [e.HostJoined(host) for host in self.hosts.values() if host.host_id != OWN_HOST]
        for container in self.containers.values():
            self._goes_on_alone(container, dice)
        self.feed(*events, *map(self._resumed, self.containers.values()))
        assert not self.cut_off, "a stream was cancelled, and that was not recorded"
        for container in self.containers.values():
            container.cut.clear()
        unfinished = [key for key in unfinished if self.calls[key[0]][2] is not CallKind.STREAM]
        self._expect_again(set(unfinished))
        calls: dict[str, list[int]] = {}
        for call_id, index in unfinished:
            calls.setdefault(call_id, []).append(index)
        for call_id, indices in calls.items():
            function_id, client, kind = self.calls[call_id]
            if kind is CallKind.SPAWNED:
                kept = [self._kept(call_id, index) for index in indices]
                self.feed(e.InputsRestored(call_id, function_id, "", kept, client))
            else:
                new = [NewInput(index, b"x") for index in indices]
                self.feed(e.InputsSubmitted(call_id, function_id, client, kind, "", new, again=True))
        for app_id in sorted(retired):
            self.feed(e.AppRetired(app_id, 5.0))

    def _expect_again(self, unfinished: set[InputKey]) -> None:
        """What runs is found running. The rest may have run, and is told so, or does not run again."""
        joined = {
            key
            for container in self.containers.values()
            for attempt, key in container.held.items()
            if attempt not in container.cancelled
        }
        joined |= {
            key
            for container in self.containers.values()
            for key, end in container.kept.values()
            if end.kind is not OutcomeKind.CANCELLED
        }
        self.numbers = Counter({key: count for key, count in self.numbers.items() if key in joined})
        once = {key for key in unfinished if self.functions[self.calls[key[0]][0]].spec.at_most_once}
        not_begun = {key for key in once - self.begun.keys() if self.calls[key[0]][2] is CallKind.SPAWNED}
        self.may_have_run = unfinished - joined - not_begun
        at_most_once = once & self.may_have_run
        self.may_be_lost |= at_most_once

    def _kept(self, call_id: str, index: int) -> RestoredInput:
        """What a journal has of an input: of others than these it was told nothing that matters here."""
        begun = self.begun.get((call_id, index))
        if begun is None:
            return RestoredInput(index, b"x", self.now)
        return RestoredInput(index, b"x", self.now, begun.attempts, due_at=BEGUN, last_attempt=begun.last_attempt)

    def _survives(self, container: FakeContainer) -> bool:
        function = self._function_of(container.container_id)
        lives = container.phase == "ready" and not (container.frozen or container.held_up)
        return lives and not function.stopped

    def _goes_on_alone(self, container: FakeContainer, dice: Random) -> None:
        """It is without a server for a while."""
        for attempt in [it for first in container.unread for it in container.members(first)]:
            container.held.pop(attempt, None)
            container.cancelled.pop(attempt, None)
        container.unread.clear()
        container.busy = False
        for attempt, key in container.held.items():
            is_stream = self.calls[key[0]][2] is CallKind.STREAM and not container.batches  # of which none streams
            if is_stream and attempt not in container.cancelled:
                container.cut.add(attempt)
                container.cancelled[attempt] = self.now
                self.cut_off.add(key)
        for first in sorted({container.batch_of(attempt) or attempt for attempt in container.held}):
            if dice.random() < 0.3:
                ran = dice.choice([OutcomeKind.SUCCESS, OutcomeKind.FAILURE])
                for attempt in container.members(first):
                    if (key := container.held.pop(attempt, None)) is not None:
                        kind = OutcomeKind.CANCELLED if container.cancelled.pop(attempt, None) is not None else ran
                        container.kept[attempt] = key, AttemptEnd(attempt, kind, f"result of {key}".encode())

    def _resumed(self, container: FakeContainer) -> e.ContainerResumed:
        held = [self._held(container, number, key) for number, key in container.held.items()]
        ended = [(self._held(container, number, key), end) for number, (key, end) in container.kept.items()]
        leaving = "it asked to" if container.wants_no_more else None
        limit = None if container.limit == 1 << 62 else container.limit
        return e.ContainerResumed(
            container.container_id, container.function_id, held, ended, limit, leaving, container.gpus, container.host
        )

    def _held(self, container: FakeContainer, attempt: int, key: InputKey) -> HeldAttempt:
        return HeldAttempt(
            attempt,
            *key,
            attempt in container.cancelled,
            self.calls[key[0]][1],
            self.now - self.delivered_at[key],
            container.again[attempt],
            container.batch_of(attempt),
            cut=attempt in container.cut,
        )

    # --- what happens ---------------------------------------------------------------------------------------------------

    def feed(self, *events: e.Event) -> list[c.Command]:
        for event in events:
            self._note(event)
        commands = self.engine.handle(events, self.now)
        for command in commands:
            self._obey(command)
        self.engine.check()
        self._check()
        return commands

    def read(self, container: FakeContainer) -> None:
        """It reads what was delivered: what was cancelled or given back before ends without running."""
        container.busy = False
        unread, container.unread = container.unread, []
        early = [attempt for attempt in unread if container.read.take(attempt) or attempt in container.given_back]
        assert early == [attempt for attempt in unread if attempt in container.cancelled], "a cancellation was lost"
        ends = [it for attempt in early for it in container.members(attempt) if it in container.held]
        if ends:
            kind = OutcomeKind.CANCELLED
            self.feed(e.AttemptsFinished(container.container_id, [AttemptEnd(attempt, kind, b"") for attempt in ends]))

    def advance(self, seconds: float) -> None:
        """Let time pass; the timer fires whenever the engine asked for it."""
        until = self.now + seconds
        fired = 0
        while self.wake_at is not None and self.wake_at <= until:
            self.now = max(self.now, self.wake_at)
            self.wake_at = None
            self.feed(e.TimerFired())
            fired += 1
            assert fired < 10_000, "the engine asks to be woken again and again"
        self.now = until

    def find_gpus(self, *names: str) -> None:
        """The host has these devices."""
        self.gpus = {f"gpu{n}": Gpu.named(uuid=f"gpu{n}", name=name, memory_mib=80_000) for n, name in enumerate(names)}
        self.gpus_wanted = False
        self.feed(e.GpusFound(FoundGpus(gpus=tuple(self.gpus.values()))))

    def end(self, container: FakeContainer, description: str = "was killed by signal 9") -> e.Event:
        """A container is gone, with all it held."""
        return e.ContainerEnded(container.container_id, description)

    def unfinished(self) -> list[InputKey]:
        return [key for key, count in self.accepted.items() if self.outcomes[key] < count]

    def in_phase(self, *phases: str) -> list[FakeContainer]:
        return [container for container in self.containers.values() if container.phase in phases]

    def _note_version(self, event: e.AppRetired | e.FunctionWarmed) -> None:
        if isinstance(event, e.FunctionWarmed):
            function = self.functions[event.function_id]
            function.warm = 0 if function.retired else event.containers
            return
        for function in self.functions.values():
            if function.app_id == event.app_id and not function.stopped:
                function.retired, function.warm = True, 0
                function.settings = replace(function.settings, min_containers=0, buffer_containers=0)

    def _note(self, event: e.Event) -> None:
        """Keep count of what the engine is told."""
        match event:
            case e.FunctionAdded():
                known = FakeFunction(event.app_id, event.spec, event.spec.autoscaler)
                self.functions.setdefault(event.function_id, known)
            case e.InputsSubmitted():
                self._note_submitted(event)
            case e.InputsRestored():
                self._note_restored(event)
            case e.CallCancelled():
                self._note_cancelled(event)
            case e.ClientLost():
                self._may_cancel(
                    lambda _, made: made[1] == event.client and made[2] is not CallKind.SPAWNED,
                )
            case e.AppStopped():
                for function in self.functions.values():
                    function.stopped |= function.app_id == event.app_id
                self._may_cancel(lambda _, made: self.functions[made[0]].app_id == event.app_id)
            case e.AppRetired() | e.FunctionWarmed():
                self._note_version(event)
            case e.ServerStoodStill():
                self.stood_still += event.seconds
            case e.InputFed() if event.by != STRANGER:
                self.fed[event.call_id, event.index] += len(event.items)
            case e.AutoscalerChanged() if not self.functions[event.function_id].retired:
                self.functions[event.function_id].settings = event.settings
            case _:
                self._note_container(event)

    def _note_submitted(self, event: e.InputsSubmitted) -> None:
        if event.client == STRANGER:
            return
        if self.functions[event.function_id].retired and event.call_id not in self.calls:
            self.may_be_lost.update((event.call_id, new.index) for new in event.inputs)
        if event.call_id not in self.calls:
            self.calls[event.call_id] = (event.function_id, event.client, event.kind)
            if event.parent_input_id is not None:
                call, index = event.parent_input_id.removeprefix("in-").rsplit("-", 1)
                self.parents[event.call_id] = (f"fc-{call}", int(index))
        if any(key[0] == event.call_id for key in self.may_be_cancelled.intersection(self.unfinished())):
            self.may_be_cancelled.update((event.call_id, new.index) for new in event.inputs)  # it is still being ended
        self.accepted.update((event.call_id, new.index) for new in event.inputs)
        self.accepted_at.update({(event.call_id, new.index): self.now for new in event.inputs})
        if self.functions[event.function_id].stopped:
            self.may_be_lost.update((event.call_id, new.index) for new in event.inputs)

    def _note_restored(self, event: e.InputsRestored) -> None:
        self.restored.add(event.call_id)
        keys = [(event.call_id, kept.index) for kept in event.inputs]
        self.accepted.update(keys)
        self.accepted_at.update(dict.fromkeys(keys, self.now))
        if self.functions[event.function_id].stopped:
            self.may_be_lost.update(keys)

    def _note_cancelled(self, event: e.CallCancelled) -> None:
        if event.by == STRANGER:
            return
        self._may_cancel(lambda call, _: call == event.call_id)
        for container in self.containers.values():
            calls = {call for call, _ in container.held.values()}
            if event.terminate_containers and event.call_id in calls:
                self.may_be_terminated.add(container.container_id)

    def _note_container(self, event: e.Event) -> None:
        match event:
            case e.ContainerReady() if self.containers[event.container_id].phase == "starting":
                self.containers[event.container_id].phase = "ready"
                self._function_of(event.container_id).fails_to_start = False
            case e.ContainerSilent() | e.ContainerHeard():
                container = self.containers[event.container_id]
                container.silent = isinstance(event, e.ContainerSilent)
            case e.ContainerBlocked() | e.ContainerUnblocked() | e.InputsLimited():
                self._note_reach(event)
            case e.ContainerFailed():
                self.containers[event.container_id].phase = "failing"
                self._function_of(event.container_id).fails_to_start = True
            case e.HostJoined() | e.HostChanged() | e.HostLost():
                self._note_host(event)
            case e.ContainerEnded() if event.container_id in self.containers:
                function = self._function_of(event.container_id)
                container = self.containers.pop(event.container_id)
                function.fails_to_start |= container.phase == "starting"
                function.deaths += bool(container.held)
                self.may_be_lost.update(container.held.values())
            case e.AttemptsFinished() if event.container_id in self.containers:
                self._function_of(event.container_id).finished += len(event.attempts)
                container = self.containers[event.container_id]
                for ended in event.attempts:
                    key = container.held.pop(ended.attempt, None)
                    if key is None:
                        continue
                    container.kept[ended.attempt] = key, ended
                    if ended.kind is OutcomeKind.CANCELLED:
                        self.may_be_cancelled.add(key)
            case _:
                self._note_asked(event)

    def _note_host(self, event: e.HostJoined | e.HostChanged | e.HostLost) -> None:
        """What is on a host that is lost runs elsewhere, and what is on one that leaves may be killed in time."""
        if isinstance(event, e.HostLost):
            self.hosts.pop(event.host_id, None)
            for container in self.on(event.host_id):
                self.may_be_lost.update(self.containers.pop(container.container_id).held.values())
        elif isinstance(event, e.HostJoined) or event.host.host_id in self.hosts:
            self.hosts[event.host.host_id] = event.host
            if event.host.leaving:
                for container in self.on(event.host.host_id):
                    container.wants_no_more = True
                    self._may_go(container, self.limits.drain_grace)

    def on(self, host_id: str) -> list[FakeContainer]:
        return [container for container in self.containers.values() if container.host == host_id]

    def _may_start_on(self, host: HostSpec) -> bool:
        """Whether a container that asks for nothing may be started there now."""
        there = self.on(host.host_id)
        starting = sum(container.phase == "starting" for container in there)
        room = host.containers is None or len(there) < host.containers
        return host.takes_containers and room and starting < self.limits.starting

    def _note_asked(self, event: e.Event) -> None:
        """Keep count of what containers are to do."""
        match event:
            case e.InputsLimited():
                self.containers[event.container_id].limit = event.limit
            case e.ContainerStopAsked():
                self.containers[event.container_id].wants_no_more = True
                if not event.graceful:
                    self.may_be_terminated.add(event.container_id)
            case e.DrainAsked():
                self.containers[event.container_id].wants_no_more = True
                if event.preempted:
                    self._may_go(self.containers[event.container_id], self.limits.drain_grace)
            case e.ContainerFrozen():
                self.containers[event.container_id].frozen_at = self.now
            case e.ContainerThawed():
                self.containers[event.container_id].frozen_at = None
            case _:
                pass

    def _note_reach(self, event: e.ContainerBlocked | e.ContainerUnblocked | e.InputsLimited) -> None:
        container = self.containers[event.container_id]
        if isinstance(event, e.InputsLimited):
            container.limit = event.limit
            return
        container.blocked = isinstance(event, e.ContainerBlocked)
        if isinstance(event, e.ContainerBlocked):
            # Nobody waits for them there any more; the container has yet to let go of them.
            # What had been fed stays, though: that is there.
            above = [it for it in container.above(event.seen) if container.held.get(it) not in self.were_fed]
            container.cancelled.update(dict.fromkeys(above, self.now))
            container.given_back.update(above)

    def _may_go(self, container: FakeContainer, grace: float) -> None:
        deadline = self.now + grace
        container.deadline = deadline if container.deadline is None else min(deadline, container.deadline)

    def _may_cancel(self, chosen) -> None:  # type: ignore[no-untyped-def]
        """What these calls have not finished, and what that has called, and so on."""
        found = {key for key in self.unfinished() if chosen(key[0], self.calls[key[0]])}
        self.may_be_cancelled |= found
        self._may_cancel_children(found)

    def _may_cancel_children(self, found: set[InputKey]) -> None:
        while found:
            children = {call for call, parent in self.parents.items() if parent in found}
            found = {key for key in self.unfinished() if key[0] in children} - self.may_be_cancelled
            self.may_be_cancelled |= found

    # --- what the engine says -------------------------------------------------------------------------------------------

    def _obey(self, command: c.Command) -> None:
        match command:
            case c.FindGpus():
                self.gpus_wanted = True
            case c.StartContainer():
                self.containers[command.container_id] = FakeContainer(
                    command.container_id, command.function_id, gpus=command.gpus, host=command.host
                )
                self._check_devices(self.containers[command.container_id])
                assert self.hosts[command.host].takes_containers, f"{command} on {self.hosts[command.host]}"
                there = [x for x in self.containers.values() if x.function_id == command.function_id]
                assert len(there) <= self.most(command.function_id), f"{command} with {len(there) - 1} there"
                assert not self.functions[command.function_id].stopped
                starting = [x for x in self.on(command.host) if x.phase == "starting"]
                assert len(starting) <= self.limits.starting
            case c.StopContainer():
                container = self.containers[command.container_id]
                function = self.functions[container.function_id]
                assert container.phase == "ready"
                evicted = function.spec.sync_cancellation == "container"
                evicted |= container.container_id in self.may_be_terminated
                assert not container.held or function.stopped or evicted, f"{command}: {container}"
                container.phase = "stopping"
                self._evict(container)
            case c.KillContainer():
                container = self.containers[command.container_id]
                called_for = self._may_be_killed(container) or container.container_id in self.may_be_terminated
                assert not container.works or called_for, f"{command}: {container}"
                if container.phase == "starting":  # too slow, or one too many
                    self._function_of(command.container_id).fails_to_start = True
                container.phase = "killed"
                self._evict(container)
            case c.DeliverAttempts() | c.DeliverBatch():
                self._take(command)
            case c.CancelAttempts():
                container = self.containers[command.container_id]
                named = {a for number in command.attempts for a in container.batches.get(number, [number])}
                named &= set(container.held) if container.batches else named
                assert named, f"{command}: {container}"
                assert named <= container.held.keys() - container.cancelled.keys(), f"{command}: {container}"
                container.cancelled.update(dict.fromkeys(named, self.now))
                for number in command.attempts:
                    assert container.read.cancel(number) == (number not in container.unread), "a cancellation is lost"
                self._may_cancel_children({container.held[number] for number in named})
            case c.ReportAppStopped():
                self.stopped_apps[command.app_id] += 1
                ids = {name for name, function in self.functions.items() if function.app_id == command.app_id}
                assert not any(x.function_id in ids for x in self.containers.values())
                for name in ids:
                    self.functions[name].stopped = True
            case c.WakeAt():
                self.wake_at = command.deadline
            case _:
                self._hear(command)

    def _hear(self, command: c.Command) -> None:
        """What callers are told, and what is recorded."""
        match command:
            case c.SendOutcomes() | c.SaveOutcomes():
                self._collect(command)
            case c.SaveTries(begins=True):
                self.begun[command.call_id, command.index] = command
            case c.SendItems():
                assert self.outcomes[command.call_id, command.index] == 0
            case c.FeedAttempt():
                key = self.containers[command.container_id].held[command.attempt]
                self.fed[key] -= len(command.items)
                self.were_fed.add(key)
                assert self.fed[key] >= 0, f"{command}: more than was sent"
            case c.AckFeed() | c.AckItems():
                if isinstance(command, c.AckFeed):
                    # One that was restored is no client's: nobody sends it anything, but by its id.
                    client = 0 if command.call_id in self.restored else self.calls[command.call_id][1]
                    assert command.client == client
            case c.RecordCalls():
                self.recorded_calls.update(call.call_id for call in command.calls)
                assert max(self.recorded_calls.values()) == 1
            case c.RecordInputs():
                self._note_recorded([(record.call_id, record.index) for record in command.inputs])
            case c.RecordSuccesses():
                self._note_recorded([(command.inputs.call_id, index) for index in command.inputs.indices])

    def _note_recorded(self, keys: list[InputKey]) -> None:
        for key in keys:
            if key in self.cut_off:  # its caller is told by nobody
                self.cut_off.remove(key)
                continue
            self.recorded[key] += 1
            assert self.recorded[key] == self.outcomes[key], f"{key}: recorded other than told"

    def _may_be_killed(self, container: FakeContainer) -> bool:
        """Though it works: it was told to go, or is frozen, or holds a cancelled attempt, and that for too long."""
        told = container.deadline is not None and container.deadline <= self.now
        frozen = container.frozen_at is not None and container.frozen_at + self.limits.freeze_grace <= self.now
        grace = self._function_of(container.container_id).spec.cancellation_grace + self.limits.drain_grace
        return told or frozen or any(container.cancelled.get(it, self.now) + grace <= self.now for it in container.held)

    def _evict(self, container: FakeContainer) -> None:
        """What it holds may go on elsewhere from now on, and is lost only if it cannot."""
        self.may_be_lost.update(container.held.values())
        self._may_cancel_children(set(container.held.values()))
        container.held.clear()

    def _check_devices(self, container: FakeContainer) -> None:
        """It has what its function asked for, and no device is over-committed."""
        requests = self.functions[container.function_id].spec.resources.gpu
        if self.limits.missing_gpu == "ignore" and not container.gpus:
            return
        here = {gpu.uuid: gpu for gpu in self.hosts[container.host].gpus} or self.gpus
        given = [here[uuid] for uuid in container.gpus]
        assert len(set(given)) == len(given)
        assert len({gpu.kind for gpu in given}) == min(1, len(requests))
        fitting = [
            request for request in requests if len(given) == max(1, request.count) and all(map(request.accepts, given))
        ]
        assert bool(fitting) == bool(requests), f"asked for {requests}, got {given}"
        container.share = min([1.0, *(request.count for request in fitting)])
        for uuid in container.gpus:
            shares = [other.share for other in self.containers.values() if uuid in other.gpus]
            assert shares == [1.0] or (sum(shares) <= 1 and max(shares) < 1), f"{uuid} is over-committed: {shares}"

    def _take(self, command: c.DeliverAttempts | c.DeliverBatch) -> None:
        container = self.containers[command.container_id]
        spec = self.functions[container.function_id].spec
        assert isinstance(command, c.DeliverBatch) == (spec.batching is not None)
        if isinstance(command, c.DeliverBatch):
            self._check_batch(command, spec.batching)
            container.batches[command.attempts[0].attempt] = [delivery.attempt for delivery in command.attempts]
        assert container.phase == "ready", f"{command}: {container}"
        assert not container.wants_no_more
        assert not container.frozen
        assert not container.held_up
        for delivery in command.attempts:
            key = (delivery.call_id, delivery.index)
            assert delivery.attempt not in self.seen_attempts
            assert self.outcomes[key] < self.accepted[key]
            assert self.calls[delivery.call_id][0] == container.function_id
            if spec.queue_timeout is not None and key not in self.delivered_at:
                expiry = self.accepted_at[key] + spec.queue_timeout + self.stood_still
                assert self.now < expiry, "started after it had expired"
            self.delivered_at[key] = self.now
            self._check_again(key, delivery, spec)
            self.seen_attempts.add(delivery.attempt)
            container.again[delivery.attempt] = delivery.again
            for before, number in self.attempts.get(key, ()):
                before.kept.pop(number, None)
            self.attempts.setdefault(key, []).append((container, delivery.attempt))
            container.held[delivery.attempt] = key
        numbers = [delivery.attempt for delivery in command.attempts]
        for number in numbers[:1] if isinstance(command, c.DeliverBatch) else numbers:
            if container.busy:
                container.unread.append(number)
            else:
                assert not container.read.take(number)
        container.deliveries += 1 if isinstance(command, c.DeliverBatch) else len(command.attempts)
        assert container.slots <= spec.concurrency.max_inputs, f"{command}: {container}"
        assert container.deliveries == 1 or not spec.single_use_containers

    def _check_again(self, key: InputKey, delivery: Delivery, spec: FunctionSpec) -> None:
        """It is told which attempt it is, and why. What is delivered at most once has not begun before."""
        told = delivery.again or FIRST
        self.numbers[key] += 1
        assert told.number == self.numbers[key]
        assert (told.why == "first") == (told.number == 1 and key not in self.may_have_run)
        assert told.why != "retry" or spec.retries.max_retries
        assert told.retries <= spec.retries.max_retries
        if spec.at_most_once:
            before = self.attempts.get(key, [])
            assert all(attempt in container.given_back for container, attempt in before), f"{key} may have begun"

    def _check_batch(self, command: c.DeliverBatch, batching: Batching | None) -> None:
        """It is full, or its window is over, or it is one of suspects."""
        assert batching is not None
        size = len(command.attempts)
        assert 1 <= size <= batching.max_batch_size
        if size < batching.max_batch_size and batching.wait_ms != "auto":
            first = min(self.accepted_at[delivery.call_id, delivery.index] for delivery in command.attempts)
            suspects = self._function_of(command.container_id).deaths
            assert suspects or first + batching.wait_ms / 1000 <= self.now, f"too early: {command}"

    def _collect(self, command: c.SendOutcomes | c.SaveOutcomes) -> None:
        if isinstance(command, c.SendOutcomes) and command.client == STRANGER:
            assert all(ended.kind is OutcomeKind.LOST for ended in command.ended)
            self.refused_to_strangers += len(command.ended)
            return
        _, client, kind = self.calls[command.call_id]
        assert isinstance(command, c.SaveOutcomes) == (kind is CallKind.SPAWNED)
        assert isinstance(command, c.SaveOutcomes) or command.client == client
        for ended in command.ended:
            key = (command.call_id, ended.index)
            self.outcomes[key] += 1
            assert self.outcomes[key] <= self.accepted[key], f"{key} has more than one outcome"
            if ended.kind is OutcomeKind.SUCCESS:
                assert ended.payload == f"result of {key}".encode(), "somebody else's result"
            if ended.kind is OutcomeKind.CANCELLED:
                assert key in self.may_be_cancelled, f"{key} was cancelled, and nobody asked for it"
            if ended.kind is OutcomeKind.TIMED_OUT:
                self._check_time(key)
            if ended.kind is OutcomeKind.REFUSED:
                spec = self.functions[self.calls[command.call_id][0]].spec
                assert spec.max_waiting_inputs is not None or self.bounds_inputs
            if ended.kind is OutcomeKind.LOST:
                assert key in self.may_be_lost, f"{key} was lost, and no container died with it"

    def _check_time(self, key: InputKey) -> None:
        """It has had its time: it ran for as long as it may, or waited for as long as it may."""
        spec = self.functions[self.calls[key[0]][0]].spec
        waited = spec.queue_timeout is not None and self.accepted_at[key] + spec.queue_timeout <= self.now
        assert waited or self.delivered_at[key] + spec.timeout <= self.now + 1e-6, f"{key} timed out too early"

    def _function_of(self, container_id: str) -> FakeFunction:
        return self.functions[self.containers[container_id].function_id]

    def most(self, function_id: str) -> int:
        settings = self.functions[function_id].settings
        if settings.max_containers is not None:
            return settings.max_containers
        return max(self.limits.containers_per_pool, settings.min_containers)

    @property
    def is_crowded(self) -> bool:
        """There is no room for another container."""
        return not any(
            host.takes_containers and (host.containers is None or len(self.on(host.host_id)) < host.containers)
            for host in self.hosts.values()
        )

    def _check(self) -> None:
        """After each turn: nobody waits where there is room, and what is missing is on its way. Unless the engine is still
        ending inputs, and goes on with that in a turn that it has asked for."""
        if self.wake_at is not None and self.wake_at <= self.now:
            return
        for function_id, function in self.functions.items():
            if not function.stopped:
                self._check_function(function_id, function)

    def _may_have_no_more(self, app_id: str) -> bool:
        held = Counter(self.functions[x.function_id].app_id for x in self.containers.values())
        return any(app_id in apps and sum(held[each] for each in apps) >= most for apps, most in self.bounds)

    def _check_function(self, function_id: str, function: FakeFunction) -> None:
        view = self.engine.inspection.view(function_id, self.now)
        there = [x for x in self.containers.values() if x.function_id == function_id]
        names = sorted(x.container_id for x in view.containers)
        assert sorted(x.container_id for x in there) == names, f"{names}: {there}"
        starting = [x for x in there if x.phase == "starting"]
        serving = starting + [x for x in there if x.phase == "ready" and not x.frozen]
        host_is_full = not any(map(self._may_start_on, self.hosts.values()))
        host_is_full = host_is_full or self._may_have_no_more(function.app_id)
        if function.spec.resources.gpu:
            # What could start depends on what all others hold; that those who wait get it in the end, `teardown` asserts.
            assert there or not view.waiting_inputs or view.shortage or host_is_full, "inputs wait for nothing"
            refused = view.shortage.startswith("it asks")
            assert not (refused and view.waiting_inputs), "those who wait were not told that they cannot run"
            return
        may_grow = len(there) < self.most(function_id) and not host_is_full
        if view.waiting_inputs:
            assert there or host_is_full, "inputs wait for nothing"
            eager = (
                isinstance(self.policy, MotetPolicy | ModalPolicy) and function.finished < ENOUGH
            )  # times are not known before that
            takes_less = any(x.limit < function.spec.concurrency.max_inputs for x in there)  # than the policy knows
            if may_grow and eager and not function.fails_to_start and not takes_less:
                room = len(starting) * view.target_inputs
                if function.spec.batching is not None:  # inputs whose batch is not due wait beside free slots
                    target, size = function.spec.concurrency.target_inputs, function.spec.batching.max_batch_size
                    ready = [x for x in there if x.phase == "ready" and not x.frozen and not x.held_up]
                    room += sum(max(0, target - x.slots) for x in ready) * size
                assert view.waiting_inputs <= room, "inputs wait, and no container is started for them"
            due = function.spec.batching is None or view.waiting_inputs >= function.spec.batching.max_batch_size
            if due and not function.deaths and not function.spec.single_use_containers:
                draining = {x.container_id for x in view.containers if x.state in ("draining", "frozen")}
                free = [x for x in there if x.phase == "ready" and not x.held_up and x.container_id not in draining]
                most = function.spec.concurrency.max_inputs
                assert all(x.slots >= min(most, x.limit) for x in free), "a slot is free"
        kept = max(function.settings.min_containers, min(function.warm, self.most(function_id)))
        if may_grow and len(serving) < kept:
            assert function.fails_to_start, "min_containers is not honoured"
            assert self.wake_at is not None or starting, "containers are missing, and nothing will bring them"


def new_inputs(first: int, count: int) -> list[NewInput]:
    return [NewInput(index, b"x") for index in range(first, first + count)]
