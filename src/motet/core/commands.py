"""What to do: the engine's only output. Imperative; values only. Commands that start or stop something say why."""

from __future__ import annotations

from typing import Literal

import msgspec

from motet.model.host import OWN_HOST
from motet.model.isolation import Isolation
from motet.model.outcome import Delivery, InputEnd
from motet.model.reservation import RoomAsked
from motet.records.arguments import ArgumentsRecord
from motet.records.calls import CallRecord
from motet.records.inputs import InputRecord
from motet.records.successes import Successes


class Command(msgspec.Struct, frozen=True, gc=False):
    """Base of all commands."""


class StartContainer(Command, frozen=True):
    """Start one on this host; it is to see these GPUs, by their UUIDs, and no others."""

    container_id: str
    function_id: str
    reason: str
    gpus: tuple[str, ...] = ()
    waited: float = 0.0
    """Seconds since it was wanted: a host lets a few start at a time."""
    host: str = OWN_HOST
    isolation: Isolation = "process"
    """The level that it is recorded with."""


class StopContainer(Command, frozen=True):
    """Let it run its exit hooks and end. It holds no attempt, unless its app was stopped."""

    container_id: str
    reason: str


class KillContainer(Command, frozen=True):
    container_id: str
    reason: str


class DeliverAttempts(Command, frozen=True):
    container_id: str
    attempts: list[Delivery]


class DeliverBatch(Command, frozen=True):
    """These attempts take one slot and run in one call. The batch goes by the number of its first attempt."""

    container_id: str
    attempts: list[Delivery]


class ReadArguments(Command, frozen=True):
    """Attempts at these inputs (calls and indices) are delivered next, and their arguments are on the disk alone: they are
    needed now, and those of others soon (`ahead`). Tell `ArgumentsRead` of all."""

    function_id: str
    wanted: list[tuple[str, int]]
    ahead: list[tuple[str, int]]


class ResumeContainer(Command, frozen=True):
    """Tell a container that was blocked that what comes after this is to run."""

    container_id: str


class CancelAttempts(Command, frozen=True):
    container_id: str
    attempts: list[int]


class SendOutcomes(Command, frozen=True):
    """Tell the client that made the call; its inputs are forgotten by the engine."""

    client: int
    call_id: str
    ended: list[InputEnd]


class SaveOutcomes(Command, frozen=True):
    """Keep the outcomes of a spawned call for whoever asks. `is_unwanted`: somebody has cancelled the call."""

    call_id: str
    ended: list[InputEnd]
    is_unwanted: bool = False


class SaveTries(Command, frozen=True):
    """Keep what an input of a spawned call has been through, up to its attempt of this number (`last_attempt`): it is tried
    again, not before `due_at` (the engine's moment; 0: now). `begins`: that attempt is delivered next, which is not to leave
    before this is kept."""

    call_id: str
    index: int
    attempts: int
    retries: int
    lone_losses: int
    due_at: float
    last_attempt: int
    begins: bool = False


class SendItems(Command, frozen=True):
    client: int
    call_id: str
    index: int
    items: list[bytes]


class AckItems(Command, frozen=True):
    container_id: str
    attempt: int
    count: int


class FeedAttempt(Command, frozen=True):
    container_id: str
    attempt: int
    items: list[bytes]


class AckFeed(Command, frozen=True):
    client: int
    call_id: str
    index: int
    count: int


class ReportAppStopped(Command, frozen=True):
    """The last container of an app that was stopped or retired is gone."""

    app_id: str


class ReportFunctionRetired(Command, frozen=True):
    """Nobody has used a variant for a while: its pool is gone."""

    function_id: str


class ReportWarm(Command, frozen=True):
    """A container of a function that is being warmed is ready."""

    function_id: str


class ReportCold(Command, frozen=True):
    """One that was to be could not start, for this (encoded) reason."""

    function_id: str
    failure: bytes


class ReportDecision(Command, frozen=True):
    """A pool is to have another size, for this reason: with `live` containers, of which some are `starting`, it wants
    `desired`, and starts or stops some for that. Its inputs are those that waited and ran at that moment."""

    function_id: str
    desired: int
    live: int
    starting: int
    waiting_inputs: int
    running_inputs: int
    reason: str


class SeekRoom(Command, frozen=True):
    """Containers wait for room that no host has: so many for each kind of room. The cluster may have more; what was sought
    before and is not in here is not wanted any more."""

    wanted: tuple[tuple[RoomAsked, int], ...]


class FindGpus(Command, frozen=True):
    """Tell `GpusFound` what GPUs containers can be given."""


class RecordCalls(Command, frozen=True):
    """These calls were made. Moments are the engine's."""

    calls: list[CallRecord]


class RecordInputs(Command, frozen=True):
    """These inputs of one call ended. Moments are the engine's."""

    function_id: str
    inputs: list[InputRecord]


class RecordArguments(Command, frozen=True):
    """Arguments of inputs that failed, so that these can be run once more. Moments are the engine's."""

    arguments: list[ArgumentsRecord]


class RecordSuccesses(Command, frozen=True):
    """These inputs of one call succeeded at their first attempt; no `RecordInputs` tells of them. Moments are the engine's."""

    function_id: str
    inputs: Successes


class RecordStart(Command, frozen=True):
    """A container of a function became ready, so many seconds after it was started."""

    function_id: str
    seconds: float


class RecordEnd(Command, frozen=True):
    """A container of a function is gone: it was told to end (`stopped`), could not start (`failed`), or neither (`died`)."""

    function_id: str
    how: Literal["stopped", "failed", "died"]


class WakeAt(Command, frozen=True):
    """Send `TimerFired` at this moment; a later `WakeAt` replaces it."""

    deadline: float
