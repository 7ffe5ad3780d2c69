"""Short words for playbooks: what happened (events) and what is expected (commands).

Function "f" has the id `fu-f`, call "a" the id `fc-a`; containers and attempts go by their numbers, both from 1.
"a0#3" is the third attempt of the server, at input 0 of call "a". Payloads are `b"x"` and results `b"ok"`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from motet.core import commands as c
from motet.core import events as e
from motet.model.current_attempt import Attempt
from motet.model.function import DeliveryPolicy, FunctionSpec, ImportedDefinition, Resources, SyncCancellation
from motet.model.gpu import FoundGpus, Gpu, GpuRequest
from motet.model.host import OWN_HOST, HostSpec
from motet.model.ids import numbered_suffix
from motet.model.outcome import AttemptEnd, CallKind, Delivery, HeldAttempt, InputEnd, NewInput, OutcomeKind
from motet.model.retries import RetryPolicy
from motet.model.scaling import AutoscalerSettings, Batching, Concurrency
from motet.testing.playbook import ANYTHING

PAYLOAD = b"x"
RESULT = b"ok"


def container_id(number: int) -> str:
    """The id of the engine's container number `number`."""
    return "ta-" + numbered_suffix("", number)


# --- events -----------------------------------------------------------------------------------------------------------


def spec(
    name: str = "f",
    *,
    max_inputs: int = 1,
    target_inputs: int | Literal["auto"] | None = None,
    slo_p95: float | None = None,
    max_batch_size: int | None = None,
    wait_ms: int | Literal["auto"] = 0,
    retries: int | RetryPolicy = 0,
    timeout: float = 300.0,
    startup_timeout: float = 300.0,
    single_use_containers: bool = False,
    cancellation_grace: float = 30.0,
    sync_cancellation: SyncCancellation = "input",
    delivery: DeliveryPolicy = "at_least_once",
    queue_timeout: float | None = None,
    max_waiting_inputs: int | None = None,
    gpu: Sequence[str] = (),
    cpu: float | None = None,
    memory_mib: int | None = None,
    **autoscaler: Any,
) -> FunctionSpec:
    """A function, batched if `max_batch_size` is given, with `gpu` in order of preference.

    The remaining keywords are `AutoscalerSettings`.
    """
    return FunctionSpec(
        name=name,
        app_name="app",
        definition=ImportedDefinition(module="m", qualname=name),
        concurrency=Concurrency(max_inputs=max_inputs, target_inputs=target_inputs or max_inputs, slo_p95=slo_p95),
        batching=None if max_batch_size is None else Batching(max_batch_size=max_batch_size, wait_ms=wait_ms),
        autoscaler=AutoscalerSettings(**autoscaler),
        timeout=timeout,
        startup_timeout=startup_timeout,
        retries=retries if isinstance(retries, RetryPolicy) else RetryPolicy(max_retries=retries),
        single_use_containers=single_use_containers,
        cancellation_grace=cancellation_grace,
        sync_cancellation=sync_cancellation,
        delivery=delivery,
        queue_timeout=queue_timeout,
        max_waiting_inputs=max_waiting_inputs,
        resources=Resources(gpu=tuple(map(GpuRequest.parse, gpu)), cpu=cpu, memory_mib=memory_mib),
    )


def function(name: str = "f", *, app: str = "ap-1", **options: Any) -> e.FunctionAdded:
    """A function was added; keywords as for `spec`."""
    return e.FunctionAdded(f"fu-{name}", app, spec(name, **options))


def submit(
    call: str,
    count: int = 1,
    *,
    first: int = 0,
    function: str = "f",
    kind: CallKind = CallKind.ATTACHED,
    client: int = 1,
    parent: str | None = None,
    at_most_once: bool = False,
) -> e.InputsSubmitted:
    """A call with `count` inputs was made, or got that many more from `first` on; `parent` ("a0") is the input it is
    made by."""
    inputs = [NewInput(index, PAYLOAD) for index in range(first, first + count)]
    parent_id = None if parent is None else f"in-{parent[:-1]}-{parent[-1]}"
    return e.InputsSubmitted(f"fc-{call}", f"fu-{function}", client, kind, "", inputs, parent_id, "", at_most_once)


def cancel(call: str, reason: str = "enough", *, terminate_containers: bool = False) -> e.CallCancelled:
    return e.CallCancelled(f"fc-{call}", reason, terminate_containers)


def frozen(container: int) -> e.ContainerFrozen:
    return e.ContainerFrozen(container_id(container))


def thawed(container: int) -> e.ContainerThawed:
    return e.ContainerThawed(container_id(container))


def limited(container: int, limit: int) -> e.InputsLimited:
    return e.InputsLimited(container_id(container), limit)


def preempted(container: int) -> e.DrainAsked:
    """A container was told to end by its host."""
    return e.DrainAsked(container_id(container), preempted=True)


def drain_asked(container: int) -> e.DrainAsked:
    """A container wants no more inputs."""
    return e.DrainAsked(container_id(container))


def blocked(container: int, seen: int, *not_begun: int) -> e.ContainerBlocked:
    """A container's event loop does not turn; what came after attempt `seen`, and `not_begun`, has not begun there."""
    return e.ContainerBlocked(container_id(container), seen, list(not_begun))


def silent(container: int, reason: str = "has not answered for 15 s", *, lost: bool = False) -> e.ContainerSilent:
    return e.ContainerSilent(container_id(container), reason, lost)


def heard(container: int) -> e.ContainerHeard:
    return e.ContainerHeard(container_id(container))


def unblocked(container: int) -> e.ContainerUnblocked:
    return e.ContainerUnblocked(container_id(container))


def ready(*containers: int) -> list[e.Event]:
    return [e.ContainerReady(container_id(number)) for number in containers]


def resumed(
    container: int,
    *running: str,
    ended: Sequence[str] = (),
    cancelled: bool = False,
    leaving: str | None = None,
    ran: float = 0.0,
    again: Attempt | None = None,
    batch: int = 0,
    kind: OutcomeKind = OutcomeKind.SUCCESS,
) -> e.ContainerResumed:
    """A container of a server before this one is here. It runs these attempts ("a0#7"), which were `cancelled` or not; those of
    `ended` have ended, in this way. All of them began `ran` seconds ago, because of `again`, as members of this `batch`."""
    held = [_held(text, cancelled, ran, again, batch) for text in running]
    others = [_held(text, False, ran, again, batch) for text in ended]
    ends = [(it, AttemptEnd(it.attempt, kind, RESULT)) for it in others]
    return e.ContainerResumed(container_id(container), "fu-f", held, ends, None, leaving)


def _held(text: str, cancelled: bool, ran: float, again: Attempt | None, batch: int) -> HeldAttempt:
    it = _delivery(text)
    return HeldAttempt(it.attempt, it.call_id, it.index, cancelled, 1, ran, again, batch)


def start_failed(container: int, failure: bytes = b"ImportError") -> e.ContainerFailed:
    return e.ContainerFailed(container_id(container), failure)


def ended(container: int, description: str = "was killed by signal 9", *, blameless: bool = False) -> e.ContainerEnded:
    return e.ContainerEnded(container_id(container), description, blameless)


def finished(
    container: int, *attempts: int, kind: OutcomeKind = OutcomeKind.SUCCESS, payload: bytes = RESULT
) -> e.AttemptsFinished:
    ends = [AttemptEnd(attempt, kind, payload) for attempt in attempts]
    return e.AttemptsFinished(container_id(container), ends)


def yielded(container: int, attempt: int, *items: bytes) -> e.ItemsYielded:
    return e.ItemsYielded(container_id(container), attempt, list(items))


def gpus_found(*names: str, memory_mib: int = 81_559, note: str = "") -> e.GpusFound:
    """The host has these devices, named as their driver does; their UUIDs are "gpu0", "gpu1" and so on."""
    gpus = [Gpu.named(uuid=f"gpu{n}", name=name, memory_mib=memory_mib) for n, name in enumerate(names)]
    return e.GpusFound(FoundGpus(gpus=tuple(gpus), note=note))


def host(host_id: str, *gpus: str, **has: Any) -> e.HostJoined:
    """A host joins, with these devices, named as their driver does, and what else keywords of `HostSpec` say. The UUIDs are
    "h-gpu0", "h-gpu1" and so on, of a host "h"."""
    devices = (Gpu.named(uuid=f"{host_id}-gpu{n}", name=name, memory_mib=81_559) for n, name in enumerate(gpus))
    return e.HostJoined(HostSpec(host_id=host_id, gpus=tuple(devices), **has))


def host_changed(host_id: str, *gpus: str, **has: Any) -> e.HostChanged:
    """It is another now; see `host`."""
    return e.HostChanged(host(host_id, *gpus, **has).host)


def host_lost(host_id: str, reason: str = "has not answered for 5 s") -> e.HostLost:
    return e.HostLost(host_id, reason)


def settings(function: str = "f", **autoscaler: Any) -> e.AutoscalerChanged:
    """Other bounds, from keywords of `AutoscalerSettings`."""
    return e.AutoscalerChanged(f"fu-{function}", AutoscalerSettings(**autoscaler))


# --- commands ---------------------------------------------------------------------------------------------------------


def start(
    *containers: int,
    function: str = "f",
    reason: Any = ANYTHING,
    gpus: str = "",
    waited: Any = ANYTHING,
    host: str = OWN_HOST,
) -> list[c.Command]:
    """Containers start on this host; `gpus` are the UUIDs that each of them sees, with spaces between."""
    seen = tuple(gpus.split())
    return [
        c.StartContainer(container_id(number), f"fu-{function}", reason, seen, waited, host) for number in containers
    ]


def stop(*containers: int, reason: Any = ANYTHING) -> list[c.Command]:
    return [c.StopContainer(container_id(number), reason) for number in containers]


def kill(*containers: int, reason: Any = ANYTHING) -> list[c.Command]:
    return [c.KillContainer(container_id(number), reason) for number in containers]


def attempts(call: str, indexes: Iterable[int], *, first: int) -> list[str]:
    """The attempts at these inputs of a call, numbered from `first`: "a0#1", "a1#2" ..."""
    return [f"{call}{index}#{first + place}" for place, index in enumerate(indexes)]


def deliver(container: int, *what: str) -> c.DeliverAttempts:
    """These attempts, written as `attempts` writes them, go to a container in one command."""
    return c.DeliverAttempts(container_id(container), [_delivery(text) for text in what])


def deliver_batch(container: int, *what: str) -> c.DeliverBatch:
    """These attempts go to a container as one batch."""
    return c.DeliverBatch(container_id(container), [_delivery(text) for text in what])


def _delivery(text: str) -> Delivery:
    found = re.fullmatch(r"([a-z]+)(\d+)#(\d+)", text)
    if found is None:
        raise ValueError(f"{text!r} is not an attempt; they are written like 'a0#1'")
    call, index, attempt = found.groups()
    return Delivery(int(attempt), f"fc-{call}", int(index), "", PAYLOAD, again=ANYTHING, principal=ANYTHING)


def resume(container: int) -> c.ResumeContainer:
    return c.ResumeContainer(container_id(container))


def cancel_attempts(container: int, *numbers: int) -> c.CancelAttempts:
    return c.CancelAttempts(container_id(container), list(numbers))


def send(
    call: str, *indexes: int, client: int = 1, kind: OutcomeKind = OutcomeKind.SUCCESS, payload: Any = None
) -> c.SendOutcomes:
    """The outcomes of these inputs go to the caller, in this order; any payload but that of a success."""
    return c.SendOutcomes(client, f"fc-{call}", _ended(indexes, kind, payload))


def save(
    call: str, *indexes: int, kind: OutcomeKind = OutcomeKind.SUCCESS, payload: Any = None, unwanted: bool = False
) -> c.SaveOutcomes:
    """The outcomes of these inputs of a spawned call are kept; `unwanted`: somebody has cancelled it."""
    return c.SaveOutcomes(f"fc-{call}", _ended(indexes, kind, payload), unwanted)


def _ended(indexes: Iterable[int], kind: OutcomeKind, payload: Any) -> list[InputEnd]:
    if payload is None:
        payload = RESULT if kind is OutcomeKind.SUCCESS else ANYTHING
    return [InputEnd(index, kind, payload) for index in indexes]
