"""What happened: the engine's only input. Past tense; values only."""

from __future__ import annotations

import msgspec

from motet.model.function import FunctionSpec
from motet.model.gpu import FoundGpus
from motet.model.host import OWN_HOST, HostSpec
from motet.model.outcome import AttemptEnd, CallKind, HeldAttempt, NewInput, RestoredInput
from motet.model.quota import Quota
from motet.model.retires import Retires
from motet.model.scaling import AutoscalerSettings


class Event(msgspec.Struct, frozen=True, gc=False):
    """Base of all events."""


class FunctionAdded(Event, frozen=True):
    """A function that may be called exists from now on; it gets a pool. `retires`: whether that goes when nobody uses it.
    `held`: no container starts before `AppReleased`; inputs wait. `own_host`: containers run on the server's own
    machine alone. `bundle`: the digest of their source, if that travels."""

    function_id: str
    app_id: str
    spec: FunctionSpec
    retires: Retires = "never"
    held: bool = False
    own_host: bool = False
    bundle: str = ""


class AppReleased(Event, frozen=True):
    """What kept the containers of an app from starting is over."""

    app_id: str


class FunctionWarmed(Event, frozen=True):
    """So many containers are kept of a function, whatever its bounds say, as far as these and the host let it; 0: no longer.
    Meanwhile it is told when one of them is ready, or cannot start. `replaces`: it takes the place of one that has containers,
    so that its first may start beyond what its app and principal may have."""

    function_id: str
    containers: int
    replaces: bool = False


class PrincipalLimited(Event, frozen=True):
    """A principal, called so, may have so much from now on."""

    principal: int
    name: str
    quota: Quota


class AppOwned(Event, frozen=True):
    """An app, called so, is a principal's, and may have so much. Said before it has functions; without it, it is nobody's."""

    app_id: str
    name: str
    principal: int | None
    quota: Quota


class FunctionWanted(Event, frozen=True):
    """Somebody asks for a variant that is there already, and is about to call it."""

    function_id: str
    retires: Retires


class AppStopped(Event, frozen=True):
    """The app's functions take no more inputs; end what they have. Containers still there after `grace` are killed.
    `leaves_spawned`: inputs of spawned calls that do not run are no concern of this server any more, and do not end."""

    app_id: str
    grace: float
    leaves_spawned: bool = False


class AppRetired(Event, frozen=True):
    """The app's functions take no more inputs but those that its own containers submit. What there is ends, and is tried again
    as ever; then the app stops, as with `AppStopped`."""

    app_id: str
    grace: float


class InputsSubmitted(Event, frozen=True):
    """A client made a call, or added inputs to one. `client` is the connection that gets the outcomes. `principal`: whose
    the call is; None: the client's own. `at_most_once`: what is lost with a container does not run again. `from_inside`: the
    client is code in a container, which knows this function because it is one of its own version. `again`: they had been
    submitted to a server before this one, and may have run there. `accepted`: that one had taken them, so they wait rather than
    be refused; there is room for as many of these again as there may be inputs. `on_disk`: arguments that are empty
    here are read when they are needed."""

    call_id: str
    function_id: str
    client: int
    kind: CallKind
    method: str
    inputs: list[NewInput]
    parent_input_id: str | None = None
    trace: str = ""
    at_most_once: bool = False
    principal: int | None = None
    from_inside: bool = False
    again: bool = False
    accepted: bool = False
    on_disk: bool = False


class InputsRestored(Event, frozen=True):
    """A server before this one had accepted these inputs of a spawned call, and kept them. They wait once more; those that run
    in a container that is back, or have ended there, are joined. Moments are this engine's."""

    call_id: str
    function_id: str
    method: str
    inputs: list[RestoredInput]
    principal: int
    parent_input_id: str | None = None
    trace: str = ""
    at_most_once: bool = False


class ArgumentsRead(Event, frozen=True):
    """Arguments of inputs of a function that had been left on the disk: calls, indices and bytes. Some may have
    ended meanwhile."""

    function_id: str
    inputs: list[tuple[str, int, bytes]]


class CallCancelled(Event, frozen=True):
    """Nobody wants this call's unfinished inputs any more; `terminate_containers`: nor the containers that run any."""

    call_id: str
    reason: str
    terminate_containers: bool = False
    by: int | None = None
    """The principal who says so; None: one who may do so with any call. The same below."""


class ClientLost(Event, frozen=True):
    """A client's connection ended: calls whose outcomes only it could take are cancelled."""

    client: int


class ItemsTaken(Event, frozen=True):
    """The consumer of a stream took items: the producer may go on."""

    call_id: str
    index: int
    count: int
    by: int | None = None


class InputFed(Event, frozen=True):
    """A client sent items to an input that takes some while it runs."""

    call_id: str
    index: int
    items: list[bytes]
    by: int | None = None


class FeedTaken(Event, frozen=True):
    """An attempt took `count` more of what it was fed: its client may send more."""

    container_id: str
    attempt: int
    count: int


class AutoscalerChanged(Event, frozen=True):
    """A pool has other bounds from now on."""

    function_id: str
    settings: AutoscalerSettings


class ContainerReady(Event, frozen=True):
    container_id: str


class ContainerResumed(Event, frozen=True):
    """A container that a server before this one had started is here, and ready. What it runs, and what has ended and its caller
    may not know of: inputs that are submitted again join those. `limit`: attempts that it takes at a time, if its code lowered
    that. `leaving`: it takes no more inputs, and why."""

    container_id: str
    function_id: str
    running: list[HeldAttempt]
    ended: list[tuple[HeldAttempt, AttemptEnd]]
    limit: int | None = None
    leaving: str | None = None
    gpus: tuple[str, ...] = ()
    host: str = OWN_HOST


class ContainerFailed(Event, frozen=True):
    """A container could not import or enter the user's code; `failure` is encoded, and is what its callers get."""

    container_id: str
    failure: bytes


class ContainerEnded(Event, frozen=True):
    """A container is gone, asked or not. `description` says how ("was killed by signal 9 (SIGKILL)"). `blameless`: nothing
    that ran in it can be the cause."""

    container_id: str
    description: str
    blameless: bool = False


class InputsLimited(Event, frozen=True):
    """A container takes at most so many attempts at a time from now on; those that it has go on."""

    container_id: str
    limit: int


class DrainAsked(Event, frozen=True):
    """A container wants no more inputs: it is to finish those it has, and end.

    `preempted`: its host wants it gone (SIGTERM), so it has the drain grace for that, and no longer.
    """

    container_id: str
    preempted: bool = False


class ContainerStopAsked(Event, frozen=True):
    """An operator wants a container gone: when it has finished what it runs, or now, and what it runs is run elsewhere."""

    container_id: str
    graceful: bool


class ContainerBlocked(Event, frozen=True):
    """A container's event loop does not turn. Of its attempts, those above `seen` and those of `not_begun` have not begun, and
    will not."""

    container_id: str
    seen: int
    not_begun: list[int]


class ContainerUnblocked(Event, frozen=True):
    """The event loop of a blocked container turns again: it takes attempts once it was told `ResumeContainer`."""

    container_id: str


class ContainerFrozen(Event, frozen=True):
    """A container's process was stopped (SIGSTOP): nothing in it runs, though it lives."""

    container_id: str


class ContainerThawed(Event, frozen=True):
    """A frozen container runs again."""

    container_id: str


class ContainerSilent(Event, frozen=True):
    """A container, or its host, does not answer, and how that is known: it is given nothing until it does. `lost`: it has not
    for so long that it is given up, if it holds nothing."""

    container_id: str
    reason: str
    lost: bool = False


class ContainerHeard(Event, frozen=True):
    """A silent container answers again."""

    container_id: str


class ContainerStoodStill(Event, frozen=True):
    """Nothing in a container ran for so many seconds until now, while the server stood still, too. It is no process that was
    stopped by itself: a whole machine was paused."""

    container_id: str
    seconds: float


class SandboxStarted(Event, frozen=True):
    """A sandbox has the place of a container: this principal's or, if that is known, an app's, which has not stopped before the
    sandbox is gone."""

    sandbox_id: str
    principal: int
    app_id: str


class SandboxGone(Event, frozen=True):
    """Its process is gone."""

    sandbox_id: str


class ServerStoodStill(Event, frozen=True):
    """The server did nothing for so many seconds until now: no input could be given to a container meanwhile."""

    seconds: float


class AttemptsFinished(Event, frozen=True):
    container_id: str
    attempts: list[AttemptEnd]


class ItemsYielded(Event, frozen=True):
    container_id: str
    attempt: int
    items: list[bytes]


class GpusFound(Event, frozen=True):
    """The answer to `FindGpus`: the GPUs that the host has now."""

    found: FoundGpus


class HostJoined(Event, frozen=True):
    """A machine has come that containers may be started on, beside the server's own. One that is known has changed."""

    host: HostSpec


class HostChanged(Event, frozen=True):
    """A host has more or less than before, is `leaving`, `silent`, or neither any more."""

    host: HostSpec


class HostLost(Event, frozen=True):
    """A host is gone, and how that is known ("has not answered for 5 s"). What runs there runs elsewhere, and what it may yet
    say is not heard."""

    host_id: str
    reason: str


class RoomDelayed(Event, frozen=True):
    """What was sought on the cluster does not come for now, and why; empty: nothing is sought, or it came."""

    why: str


class TimerFired(Event, frozen=True):
    """The moment asked for by `WakeAt` has come (or some moment: an early one does no harm)."""
