"""The engine against a world where anything may happen in any order. Every promise is asserted after every step.

`MOTET_NIGHTLY=100` walks a hundred times as often, with other dice each time.
"""

from __future__ import annotations

import os
import unittest
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from motet.core import commands as c
from motet.core import events as e
from motet.core.devices import MissingGpu
from motet.core.host import HostLimits
from motet.core.policies import POLICIES
from motet.model.gpu import Gpu
from motet.model.host import HostSpec
from motet.model.ids import input_id
from motet.model.outcome import AttemptEnd, CallKind, OutcomeKind
from motet.model.quota import Quota
from motet.model.retries import RetryPolicy
from motet.model.scaling import AutoscalerSettings
from motet.testing.transcript import spec

from .fake_world import STRANGER, FakeContainer, FakeWorld, new_inputs

NIGHTLY = int(os.environ.get("MOTET_NIGHTLY", "0"))

pytestmark = pytest.mark.timeout(0 if NIGHTLY else 1800, method="thread")
"""So late that only an engine that never comes back is ended, and then with its process: an exception in the middle of a step,
because the machine is busy, would be taken for a finding, and for one that does not happen again."""

FUNCTIONS = {
    "fu-plain": ("ap-1", {}),
    "fu-wide": (
        "ap-1",
        {"max_inputs": 4, "target_inputs": 2, "timeout": 5.0, "startup_timeout": 20.0, "cancellation_grace": 1.0},
    ),
    "fu-retry": ("ap-2", {"max_inputs": 3, "retries": RetryPolicy(max_retries=2), "timeout": 8.0}),
    "fu-batch": (
        "ap-1",
        {"max_inputs": 2, "max_batch_size": 3, "wait_ms": 1000, "timeout": 5.0, "cancellation_grace": 2.0},
    ),
    "fu-auto": (
        "ap-2",
        {"max_batch_size": 4, "wait_ms": "auto", "retries": RetryPolicy(max_retries=1), "timeout": 8.0},
    ),
    "fu-single": ("ap-2", {"max_inputs": 2, "single_use_containers": True}),
    "fu-bounded": ("ap-1", {"max_inputs": 2, "queue_timeout": 3.0, "max_waiting_inputs": 4, "cancellation_grace": 2.0}),
    "fu-strict": ("ap-2", {"max_inputs": 3, "sync_cancellation": "container", "timeout": 8.0}),
    "fu-once": ("ap-2", {"max_inputs": 3, "delivery": "at_most_once", "timeout": 6.0}),
    "fu-learned": ("ap-2", {"max_inputs": 4, "target_inputs": "auto", "timeout": 8.0}),
    "fu-half": ("ap-1", {"gpu": ["any:0.5"], "max_inputs": 2, "timeout": 6.0}),
    "fu-pair": ("ap-2", {"gpu": ["H100:2", "L4"], "timeout": 6.0}),
    "fu-whole": ("ap-1", {"gpu": ["H100"], "max_batch_size": 3, "wait_ms": 1000}),
}
GPUS = ["NVIDIA H100 PCIe", "NVIDIA L4", "NVIDIA H200"]
PICK = st.integers(0, 10**6)


@st.composite
def bounds(draw: Any) -> AutoscalerSettings:
    most = draw(st.none() | st.integers(1, 4))
    return AutoscalerSettings(
        min_containers=draw(st.integers(0, most or 3)),
        max_containers=most,
        buffer_containers=draw(st.integers(0, 2)),
        scaledown_window=draw(st.sampled_from([2.0, 10.0, 60.0])),
    )


@st.composite
def quotas(draw: Any) -> Quota:
    return Quota(containers=draw(st.none() | st.integers(1, 6)), inputs=draw(st.none() | st.integers(1, 12)))


class EngineWalk(RuleBasedStateMachine):
    """Rules are what users, containers, machines and clocks do."""

    policy = "motet"

    @initialize(
        starting=st.integers(1, 4),
        per_pool=st.integers(1, 5),
        room=st.none() | st.integers(2, 8),
        gpus=st.lists(st.sampled_from(GPUS), max_size=4),
        early=st.booleans(),
        missing=st.sampled_from(["error", "wait", "ignore"]),
        inputs_per_turn=st.sampled_from([1, 3, 500]),
        owners=st.sampled_from([None, (1, 1), (1, 2)]),
        quotas=st.tuples(quotas(), quotas(), quotas()),
    )
    def build(
        self,
        starting: int,
        per_pool: int,
        room: int | None,
        gpus: list[str],
        early: bool,
        missing: MissingGpu,
        inputs_per_turn: int,
        owners: tuple[int, int] | None,
        quotas: tuple[Quota, Quota, Quota],
    ) -> None:
        self.world = FakeWorld(
            HostLimits(
                starting=starting,
                containers=room,
                containers_per_pool=per_pool,
                stop_grace=7.0,
                drain_grace=4.0,
                freeze_grace=5.0,
                missing_gpu=missing,
            ),
            POLICIES[self.policy],
            inputs_per_turn,
        )
        self.gpus = gpus
        self.calls = 0
        if owners is not None:
            self.world.bounds_inputs = any(each.inputs is not None for each in quotas)
            self.world.feed(e.PrincipalLimited(1, "the principal", quotas[0]))
            mine = {f"ap-{number}" for number, owner in enumerate(owners, 1) if owner == 1}
            every = zip(({"ap-1"}, {"ap-2"}, mine), (*quotas[1:], quotas[0]), strict=True)
            self.world.bounds = [(apps, it.containers) for apps, it in every if it.containers is not None]
            for number, owner in enumerate(owners, 1):
                self.world.feed(e.AppOwned(f"ap-{number}", "an app", owner, quotas[number]))
        for function_id, (app_id, options) in FUNCTIONS.items():
            self.world.feed(e.FunctionAdded(function_id, app_id, spec(function_id[3:], **options)))
        if early:
            self.find_gpus()

    # --- users ----------------------------------------------------------------------------------------------------------

    @rule(
        function_id=st.sampled_from(sorted(FUNCTIONS)),
        count=st.integers(1, 6),
        kind=st.sampled_from(CallKind),
        client=st.integers(1, 2),
        nested=st.booleans(),
        pick=PICK,
        inside=st.booleans(),
    )
    def submit(
        self, function_id: str, count: int, kind: CallKind, client: int, nested: bool, pick: int, inside: bool = False
    ) -> None:
        self.calls += 1
        count = 1 if kind is CallKind.STREAM else count
        parent = None
        if nested:  # by an input that runs, or by one that was never heard of, such as its own
            running = sorted(key for c in self.world.containers.values() for key in c.held.values())
            call_id, index = self._choose([*running, (f"fc-{self.calls}", 0), (f"fc-{self.calls + 1}", 0)], pick)
            parent = input_id(call_id, index)
        new = new_inputs(0, count)
        self.world.feed(
            e.InputsSubmitted(f"fc-{self.calls}", function_id, client, kind, "", new, parent, from_inside=inside)
        )

    @precondition(lambda self: self.world.unfinished())
    @rule(pick=PICK, count=st.integers(1, 3))
    def submit_more(self, pick: int, count: int) -> None:
        """A map goes on. (A call that has ended is not continued: its client would not know.)"""
        call_id = self._choose(sorted({call for call, _ in self.world.unfinished()}), pick)
        function_id, client, kind = self.world.calls[call_id]
        if kind is not CallKind.STREAM:
            first = 1 + max(index for call, index in self.world.accepted if call == call_id)
            self.world.feed(e.InputsSubmitted(call_id, function_id, client, kind, "", new_inputs(first, count)))

    @precondition(lambda self: self.world.calls)
    @rule(pick=PICK, terminate=st.booleans(), operator=st.booleans())
    def cancel_call(self, pick: int, terminate: bool, operator: bool) -> None:
        call_id = self._choose(sorted(self.world.calls), pick)
        by = None if operator else self.world.calls[call_id][1]
        self.world.feed(e.CallCancelled(call_id, "enough", terminate, by))

    @precondition(lambda self: self.world.unfinished())
    @rule(pick=PICK, count=st.integers(1, 3))
    def feed_input(self, pick: int, count: int) -> None:
        call_id, index = self._choose(self.world.unfinished(), pick)
        self.world.feed(e.InputFed(call_id, index, [b"1"] * count, self.world.calls[call_id][1]))

    @precondition(lambda self: self.world.unfinished())
    @rule(pick=PICK, what=st.sampled_from(["cancel", "feed", "take", "add"]))
    def a_stranger_reaches_for_a_call(self, pick: int, what: str) -> None:
        """Nothing comes of it but that it is told so."""
        call_id, index = self._choose(self.world.unfinished(), pick)
        function_id = self.world.calls[call_id][0]
        new = new_inputs(10**6, 2)
        event = {
            "cancel": e.CallCancelled(call_id, "mine", True, STRANGER),
            "feed": e.InputFed(call_id, index, [b"mine"], STRANGER),
            "take": e.ItemsTaken(call_id, index, 1, STRANGER),
            "add": e.InputsSubmitted(call_id, function_id, STRANGER, CallKind.SPAWNED, "", new),
        }[what]
        before = self.world.refused_to_strangers
        commands = self.world.feed(event)
        assert self.world.refused_to_strangers == before + (2 if what == "add" else 0)
        about_it = (c.CancelAttempts, c.FeedAttempt, c.AckItems, c.SaveOutcomes, c.KillContainer, c.RecordInputs)
        assert not [command for command in commands if isinstance(command, about_it)]

    @rule(client=st.integers(1, 2))
    def lose_client(self, client: int) -> None:
        self.world.feed(e.ClientLost(client))

    @rule(function_id=st.sampled_from(sorted(FUNCTIONS)), bounds=bounds())
    def change_settings(self, function_id: str, bounds: AutoscalerSettings) -> None:
        if not self.world.functions[function_id].stopped:
            self.world.feed(e.AutoscalerChanged(function_id, bounds))

    @precondition(lambda self: self.calls > 8)
    @rule(app_id=st.sampled_from(["ap-1", "ap-2"]), grace=st.sampled_from([0.0, 5.0]))
    def stop_app(self, app_id: str, grace: float) -> None:
        self.world.feed(e.AppStopped(app_id, grace))

    @precondition(lambda self: self.calls > 8)
    @rule(app_id=st.sampled_from(["ap-1", "ap-2"]), grace=st.sampled_from([0.0, 5.0]))
    def retire_app(self, app_id: str, grace: float) -> None:
        """Another version has its name."""
        self.world.feed(e.AppRetired(app_id, grace))

    @rule(function_id=st.sampled_from(sorted(FUNCTIONS)), containers=st.integers(0, 3))
    def warm(self, function_id: str, containers: int) -> None:
        self.world.feed(e.FunctionWarmed(function_id, containers))

    # --- containers -----------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.world.in_phase("starting"))
    @rule(pick=PICK, many=st.booleans())
    def become_ready(self, pick: int, many: bool) -> None:
        starting = self.world.in_phase("starting")
        chosen = starting if many else [self._choose(starting, pick)]
        self.world.feed(*[e.ContainerReady(container.container_id) for container in chosen])

    @precondition(lambda self: self.world.in_phase("starting"))
    @rule(pick=PICK, unlucky=st.sampled_from([False, False, True]))
    def fail_to_start(self, pick: int, unlucky: bool) -> None:
        if not unlucky:
            return
        container = self._choose(self.world.in_phase("starting"), pick)
        self.world.feed(e.ContainerFailed(container.container_id, b"ImportError"))

    @precondition(lambda self: self.world.in_phase("ready"))
    @rule(pick=PICK, limit=st.integers(1, 4))
    def container_takes_fewer(self, pick: int, limit: int) -> None:
        self.world.feed(e.InputsLimited(self._choose(self.world.in_phase("ready"), pick).container_id, limit))

    @precondition(lambda self: self.world.in_phase("ready"))
    @rule(pick=PICK, preempted=st.booleans())
    def ask_to_drain(self, pick: int, preempted: bool) -> None:
        self.world.feed(e.DrainAsked(self._choose(self.world.in_phase("ready"), pick).container_id, preempted))

    @precondition(lambda self: self.world.containers)
    @rule(pick=PICK, graceful=st.booleans())
    def operator_stops(self, pick: int, graceful: bool) -> None:
        container = self._choose(list(self.world.containers.values()), pick)
        self.world.feed(e.ContainerStopAsked(container.container_id, graceful))

    @precondition(lambda self: self.world.in_phase("ready"))
    @rule(pick=PICK)
    def block_or_go_on(self, pick: int) -> None:
        """Code keeps the container from reading what is delivered, or does not any more."""
        container = self._choose(self.world.in_phase("ready"), pick)
        if container.busy:
            self.world.read(container)
        else:
            container.busy = True

    @precondition(lambda self: self.world.in_phase("ready"))
    @rule(pick=PICK, wait=st.sampled_from([0.0, 3.0, 61.0]))
    def cancel_what_a_busy_container_has_not_read(self, pick: int, wait: float) -> None:
        container = self._choose(self.world.in_phase("ready"), pick)
        container.busy = True
        self.submit(container.function_id, 2, CallKind.ATTACHED, 1, False, 0)
        for call_id in {container.held[it][0] for it in container.unread if it in container.held}:
            self.world.feed(e.CallCancelled(call_id, "enough"))
        self.world.advance(wait)
        self.world.read(container)

    @precondition(lambda self: self.world.containers)
    @rule(pick=PICK, seconds=st.sampled_from([0.5, 20.0]))
    def stand_still(self, pick: int, seconds: float) -> None:
        """The whole machine was paused, as the server and one of the containers say."""
        container = self._choose(list(self.world.containers.values()), pick)
        self.world.feed(e.ServerStoodStill(seconds))
        self.world.feed(e.ContainerStoodStill(container.container_id, seconds))

    @rule()
    def hear_late_of_an_end(self) -> None:
        """Of a container that was given up."""
        self.world.feed(e.ContainerEnded("ta-long-gone", "was killed by signal 9"))

    @precondition(lambda self: any(c.known for c in self.world.containers.values()))
    @rule(pick=PICK)
    def take_feed(self, pick: int) -> None:
        container = self._choose([c for c in self.world.containers.values() if c.known], pick)
        self.world.feed(e.FeedTaken(container.container_id, min(container.known), 1))

    @precondition(lambda self: self.world.containers)
    @rule(pick=PICK)
    def freeze_or_thaw(self, pick: int) -> None:
        container = self._choose(list(self.world.containers.values()), pick)
        happened = e.ContainerThawed if container.frozen else e.ContainerFrozen
        self.world.feed(happened(container.container_id))

    @precondition(lambda self: self.world.containers)
    @rule(pick=PICK, lost=st.booleans())
    def fall_silent_or_answer(self, pick: int, lost: bool) -> None:
        container = self._choose(list(self.world.containers.values()), pick)
        if container.silent and not lost:
            self.world.feed(e.ContainerHeard(container.container_id))
        else:
            self.world.feed(e.ContainerSilent(container.container_id, "has not answered", lost))

    @precondition(lambda self: self.world.in_phase("ready", "stopping"))
    @rule(pick=PICK, seen=PICK)
    def block_or_turn(self, pick: int, seen: int) -> None:
        """The event loop of a container is stuck: some of what it holds has not begun."""
        container = self._choose(self.world.in_phase("ready", "stopping"), pick)
        if container.blocked:
            self.world.feed(e.ContainerUnblocked(container.container_id))
        else:
            last = self._choose([0, *sorted(container.held)], seen)
            self.world.feed(e.ContainerBlocked(container.container_id, last, []))

    @precondition(lambda self: self.world.containers)
    @rule(pick=PICK)
    def die(self, pick: int) -> None:
        self.world.feed(self.world.end(self._choose(list(self.world.containers.values()), pick)))

    @precondition(lambda self: self.world.in_phase("stopping", "killed", "failing"))
    @rule(pick=PICK)
    def end_as_told(self, pick: int) -> None:
        leaving = self.world.in_phase("stopping", "killed", "failing")
        self.world.feed(self.world.end(self._choose(leaving, pick), "exited with 0"))

    @precondition(lambda self: any(c.known for c in self.world.containers.values()))
    @rule(
        pick=PICK,
        order=st.randoms(use_true_random=False),
        count=st.integers(1, 4),
        kind=st.sampled_from([OutcomeKind.SUCCESS, OutcomeKind.SUCCESS, OutcomeKind.FAILURE, OutcomeKind.CANCELLED]),
        twice=st.booleans(),
    )
    def finish(self, pick: int, order: Any, count: int, kind: OutcomeKind, twice: bool) -> None:
        container = self._choose([c for c in self.world.containers.values() if c.known], pick)
        attempts = order.sample(sorted(container.known), min(count, len(container.known)))
        event = e.AttemptsFinished(container.container_id, [_end(container, attempt, kind) for attempt in attempts])
        self.world.feed(*([event, event] if twice else [event]))

    @precondition(lambda self: self.world.seen_attempts and self.world.containers)
    @rule(pick=PICK, other=PICK)
    def finish_what_it_does_not_hold(self, pick: int, other: int) -> None:
        container = self._choose(list(self.world.containers.values()), pick)
        attempt = self._choose(sorted(self.world.seen_attempts - set(container.held)) or [10**9], other)
        stale = AttemptEnd(attempt, OutcomeKind.SUCCESS, b"stale")
        self.world.feed(e.AttemptsFinished(container.container_id, [stale]))

    @precondition(lambda self: any(c.known for c in self.world.containers.values()))
    @rule(pick=PICK)
    def yield_items(self, pick: int) -> None:
        container = self._choose([c for c in self.world.containers.values() if c.known], pick)
        for attempt, (call_id, index) in sorted(container.known.items()):
            if self.world.calls[call_id][2] is CallKind.STREAM:
                self.world.feed(e.ItemsYielded(container.container_id, attempt, [b"1", b"2"]))
                self.world.feed(e.ItemsTaken(call_id, index, 2))

    @precondition(lambda self: self.calls > 2)
    @rule(twice=st.sampled_from([False, False, False, True]), dice=st.randoms(use_true_random=False))
    def kill_the_server(self, twice: bool, dice: Any) -> None:
        for _ in range(1 + twice):
            self.world.restart(dice)

    @precondition(lambda self: self.world.gpus_wanted)
    @rule()
    def find_gpus(self) -> None:
        self.world.find_gpus(*self.gpus)

    # --- hosts ---------------------------------------------------------------------------------------------------------

    @rule(
        number=st.integers(1, 3),
        room=st.none() | st.integers(1, 4),
        gpus=st.lists(st.sampled_from(GPUS), max_size=3),
        state=st.sampled_from(["", "", "", "leaving", "silent"]),
    )
    def host_joins_or_changes(self, number: int, room: int | None, gpus: list[str], state: str) -> None:
        host_id = f"host-{number}"
        known = self.world.hosts.get(host_id)
        host = HostSpec(
            host_id=host_id,
            containers=room if known is None else known.containers,
            gpus=tuple(Gpu.named(uuid=f"{host_id}-gpu{n}", name=name, memory_mib=80_000) for n, name in enumerate(gpus))
            if known is None
            else known.gpus,
            leaving="is to be turned off" if state == "leaving" else "",
            silent="has not answered for 4 s" if state == "silent" else "",
        )
        self.world.feed(e.HostJoined(host) if known is None else e.HostChanged(host))

    @precondition(lambda self: len(self.world.hosts) > 1)
    @rule(pick=PICK)
    def lose_a_host(self, pick: int) -> None:
        host_id = self._choose(sorted(filter(None, self.world.hosts)), pick)
        self.world.feed(e.HostLost(host_id, "has not answered for 5 s"))

    @rule()
    def hear_late_of_a_host(self) -> None:
        self.world.feed(e.HostLost("long-gone", "has not answered for 5 s"))
        self.world.feed(e.HostChanged(HostSpec(host_id="long-gone")))

    # --- time -----------------------------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.0, 0.1, 1.0, 3.0, 10.0, 61.0, 400.0]))
    def wait(self, seconds: float) -> None:
        self.world.advance(seconds)

    @rule()
    def ring_early(self) -> None:
        self.world.feed(e.TimerFired())

    # --- the end --------------------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        """From now on everything works, and takes no time: every input must end, and every container go."""
        if not hasattr(self, "world"):
            return
        world = self.world
        for host_id in sorted(filter(None, world.hosts)):
            world.feed(e.HostLost(host_id, "has been turned off"))
        world.find_gpus(*self.gpus, "NVIDIA H100 PCIe", "NVIDIA H100 PCIe")
        for function_id in world.functions:
            world.feed(e.FunctionWarmed(function_id, 0))
        for function_id, function in world.functions.items():
            keeps = function.spec.resources.gpu or world.limits.containers is not None or world.bounds
            if keeps and not function.stopped:  # a minimum would keep a device, or a place, for good
                world.feed(e.AutoscalerChanged(function_id, AutoscalerSettings()))
        for _ in range(10_000):
            if not self._one_thing():
                if not world.unfinished():
                    break
                world.advance(60.0)
        assert not world.unfinished(), "these inputs never ended"
        for function_id, function in world.functions.items():
            if not function.stopped:
                world.feed(e.AutoscalerChanged(function_id, AutoscalerSettings(scaledown_window=2.0)))
        for _ in range(1000):
            if not world.containers:
                break
            world.advance(3.0 if self._one_thing() else 60.0)
        assert not world.containers, "the pools did not scale to zero"
        assert not any(it.retired and not it.stopped for it in world.functions.values()), "a retired app did not end"
        assert all(count == 1 for count in world.outcomes.values())
        assert world.recorded == world.outcomes, "what was told and what was recorded differ"

    def _one_thing(self) -> bool:
        """Let the first container that has anything to do do it; False if none has."""
        for container in list(self.world.containers.values()):
            if container.frozen:
                self.world.feed(e.ContainerThawed(container.container_id))
            elif container.silent:
                self.world.feed(e.ContainerHeard(container.container_id))
            elif container.blocked and container.phase == "ready":
                self.world.feed(e.ContainerUnblocked(container.container_id))
            elif container.phase == "starting":
                self.world.feed(e.ContainerReady(container.container_id))
            elif container.phase in ("stopping", "killed", "failing"):
                self.world.feed(self.world.end(container, "exited with 0"))
            elif container.busy:
                self.world.read(container)
            elif container.held:
                ends = [_end(container, attempt, OutcomeKind.SUCCESS) for attempt in container.held]
                self.world.feed(e.AttemptsFinished(container.container_id, ends))
            else:
                continue
            return True
        return False

    def _choose(self, among: list[Any], pick: int) -> Any:
        return among[pick % len(among)]


def _end(container: FakeContainer, attempt: int, kind: OutcomeKind) -> AttemptEnd:
    return AttemptEnd(attempt, kind, f"result of {container.held[attempt]}".encode())


def walk(policy: str, examples: int, dice: int = 0) -> type[unittest.TestCase]:
    """A test that walks under this policy: by the same dice each time, unless it is nightly."""
    machine = type("EngineWalk", (EngineWalk,), {"policy": policy})
    case = (machine if NIGHTLY else seed(dice)(machine)).TestCase
    case.settings = settings(
        max_examples=examples * (NIGHTLY or 1),
        stateful_step_count=60,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        derandomize=not NIGHTLY,
        print_blob=True,
    )
    return case


# In parts, which run concurrently: each computes all the time, so on a busy machine it takes many times as long.
TestMotet1 = walk("motet", 50, dice=1)
TestMotet2 = walk("motet", 50, dice=2)
TestMotet3 = pytest.mark.nightly(walk("motet", 50, dice=3))
TestMotet4 = pytest.mark.nightly(walk("motet", 50, dice=4))
TestModal = walk("modal", 15)
TestKnative = walk("knative", 12)
TestRayServe = walk("ray-serve", 15)
TestBeta9 = walk("beta9", 15)
TestKedaHttp = walk("keda-http", 15)


def test_every_policy_walks() -> None:
    assert {case.policy for case in EngineWalk.__subclasses__()} == set(POLICIES)
