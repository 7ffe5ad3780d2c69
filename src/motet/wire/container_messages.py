"""The conversation between the server and a container: on the executor connection, and on the control one.

What a container tells of its output is in `output_messages.py`.
"""

from __future__ import annotations

from typing import Literal

from motet.model.function import FunctionSpec, ImportedDefinition
from motet.model.limits import Index, Moment, Payload
from motet.model.outcome import AttemptEnd, Delivery, HeldAttempt
from motet.wire.hello import Agreed, Refused
from motet.wire.message import Message
from motet.wire.output_messages import Output, OutputShared, Stalled

# --- server to container ----------------------------------------------------------------------------------------------


class Configure(Message, tag="configure", frozen=True):
    """What a new container serves. `sys_path`, `project_dir`, `argv`, `main`, `sources` and `bundle` are those of
    `AppSpec`.
    `functions` and `web_urls` are those of `AppCreated`: how nested calls find targets. `survives`: once it is ready, the
    container outlives its server, and comes back to the next one."""

    app_id: str
    app_name: str
    function_id: str
    spec: FunctionSpec
    sys_path: tuple[str, ...]
    project_dir: str
    argv: tuple[str, ...]
    functions: list[tuple[str, str, str]]
    web_urls: list[tuple[str, str, str]]
    main: ImportedDefinition | None = None
    sources: str = ""
    bundle: str = ""
    survives: bool = False


class Deliver(Message, tag="deliver", frozen=True):
    """Run these attempts."""

    attempts: list[Delivery]


class DeliverBatched(Message, tag="deliver_batch", frozen=True):
    """Run these attempts in one slot and one call of the function; cancelling the first one's number cancels all.

    `more`: those of the following `DeliverBatched` belong to the same batch.
    """

    attempts: list[Delivery]
    more: bool = False


class FeedItems(Message, tag="feed_attempt", frozen=True):
    """Items for an attempt that was delivered before; unknown ones are ignored."""

    attempt: int
    items: list[bytes]


class Resume(Message, tag="resume", frozen=True):
    """The answer to `Unblocked`: attempts that come after this are to run, whatever `Blocked` gave back."""


class AckAttemptItems(Message, tag="ack_items", frozen=True):
    """On the control connection: the consumer of a streaming attempt took `count` more items."""

    attempt: int
    count: int


class Cancel(Message, tag="cancel_attempts", frozen=True):
    """On the control connection: end these attempts; unknown ones are ignored."""

    attempts: list[int]


class AckOutcomes(Message, tag="ack_outcomes", frozen=True):
    """On the control connection: the callers of these attempts have their outcomes, or nobody will ask for them."""

    attempts: list[int]


class AskStandstill(Message, tag="ask_standstill", frozen=True):
    """On the control connection: the server has just stood still. Did the container, too? Answered by `StoodStill`."""


class Stop(Message, tag="stop", frozen=True):
    """On the control connection: take no more work, run exit hooks, end. `grace` seconds until the container is killed."""

    grace: float


# --- container to server ----------------------------------------------------------------------------------------------


class Ready(Message, tag="ready", frozen=True):
    """Imported and entered; attempts may come. The last `entering` seconds went by in enter hooks and web apps' startup."""

    entering: Moment = 0.0


class Held(Message, tag="held", frozen=True):
    """First on the executor connection of a container that comes back: the attempts that run there, and those that have ended;
    the outcomes of these follow. `limit`: see `LimitInputs`; 0: it was not lowered. `leaving`: it asked for no more inputs, or
    was told to stop."""

    running: list[HeldAttempt]
    ended: list[HeldAttempt]
    limit: int = 0
    leaving: bool = False


class ClockRead(Message, tag="clock_read", frozen=True):
    """The answer to `Configure`: what the clock says that the container's moments are of."""

    moment: Moment


class StartFailed(Message, tag="start_failed", frozen=True):
    """The container could not start. `phase`: "loading" (import) or "entering" (hooks)."""

    phase: Literal["loading", "entering"]
    failure: Payload


class Finished(Message, tag="finished", frozen=True):
    """Attempts that ended."""

    attempts: list[AttemptEnd]


class LimitInputs(Message, tag="limit_inputs", frozen=True):
    """The container takes at most so many attempts at a time from now on; those that it has go on."""

    limit: int


class StopDelivering(Message, tag="stop_delivering", frozen=True):
    """Send no more attempts here; once those held have ended, the container is to be stopped.

    `preempted`: the container was told to end (SIGTERM), so those held have only the drain grace left.
    """

    preempted: bool = False


class StoodStill(Message, tag="stood_still", frozen=True):
    """The answer to `AskStandstill`: for how many seconds nothing in the container ran, until just now; 0: it ran on."""

    seconds: float


class Items(Message, tag="items", frozen=True):
    """Items yielded by a streaming attempt."""

    attempt: int
    items: list[Payload]


class TakeFeed(Message, tag="take_feed", frozen=True):
    """An attempt took `count` more of what it was fed."""

    attempt: int
    count: Index


class Blocked(Message, tag="blocked", frozen=True):
    """Sent by another thread than the event loop's, which does not turn: all attempts above `seen`, and those of `not_begun`,
    have not begun, and will not. Nothing is to come until `Unblocked`."""

    seen: Index
    not_begun: list[Index]


class Unblocked(Message, tag="unblocked", frozen=True):
    """The event loop turns again. Attempts may come after a `Resume`."""


FromContainer = (
    ClockRead
    | Held
    | Ready
    | StartFailed
    | Finished
    | Items
    | TakeFeed
    | LimitInputs
    | StopDelivering
    | StoodStill
    | Blocked
    | Unblocked
    | Output
    | OutputShared
    | Stalled
)
ToExecutor = Agreed | Refused | Configure | FeedItems | Deliver | DeliverBatched | Resume
ToControl = Agreed | Refused | Cancel | AckAttemptItems | AckOutcomes | AskStandstill | Stop
