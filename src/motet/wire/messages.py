"""Every message there is, by who sends it to whom. A frame is a list of them.

Three kinds of connection: a *client* declares apps and makes calls (the user's process, and any container that calls
functions); a container opens an *executor* connection, which carries attempts and outcomes, and a *control* one, which
stays readable while user code blocks the other.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from motet.model.function import AppSpec, FunctionSpec, FunctionVariant
from motet.model.outcome import AttemptEnd, CallKind, Delivery, Ended, NewInput
from motet.model.scaling import AutoscalerSettings, AutoscalerUpdate
from motet.model.views import AppView, FunctionView

WIRE_VERSION = 1

STREAM_WINDOW = 256
"""Items that a generator may be ahead of its consumer."""

Role = Literal["client", "executor", "control"]


class Message(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Base of all messages; encoded as an array that starts with the class name."""


# --- any connection ---------------------------------------------------------------------------------------------------


class Hello(Message, tag="hello", frozen=True):
    """The first message on a connection, from the side that opened it. `token` proves that it may."""

    role: Role
    token: str
    container_id: str = ""
    version: int = WIRE_VERSION


class Refused(Message, tag="refused", frozen=True):
    """The server will not talk on this connection, and closes it."""

    reason: str


# --- client to server -------------------------------------------------------------------------------------------------


class SubmitInputs(Message, tag="submit", frozen=True):
    """Inputs for a call; the first such message of a call makes it."""

    call_id: str
    function_id: str
    kind: CallKind
    method: str
    inputs: list[NewInput]
    parent_input_id: str | None = None


class CancelCall(Message, tag="cancel", frozen=True):
    """End every unfinished input of a call; the client no longer wants their outcomes."""

    call_id: str


class AckCallItems(Message, tag="ack", frozen=True):
    """The consumer of a stream took `count` more items."""

    call_id: str
    index: int
    count: int


class CreateApp(Message, tag="create_app", frozen=True):
    """Register an app's functions; answered by `AppCreated`. The app ends with `StopApp` or with the connection."""

    app_id: str
    spec: AppSpec


class StopApp(Message, tag="stop_app", frozen=True):
    """Cancel an app's work and stop its containers; answered by `Done` when they are gone."""

    app_id: str


class BindFunction(Message, tag="bind", frozen=True):
    """The function that `variant` makes of `function_id`; answered by `FunctionBound`. The same variant gives the same id."""

    function_id: str
    variant: FunctionVariant


class UpdateAutoscaler(Message, tag="update_autoscaler", frozen=True):
    """Change a running pool's bounds; answered by `AutoscalerUpdated`."""

    function_id: str
    change: AutoscalerUpdate


class ViewFunction(Message, tag="view_function", frozen=True):
    """Answered by `FunctionViewed`."""

    function_id: str


class ViewApp(Message, tag="view_app", frozen=True):
    """Answered by `AppViewed`."""

    app_id: str


class ViewCall(Message, tag="view_call", frozen=True):
    """How many inputs a spawned call has; answered by `CallViewed`."""

    call_id: str


class AwaitOutcomes(Message, tag="await", frozen=True):
    """Answered by `Outcomes` once input `index` of a spawned call has ended, with the ended ones that follow it.

    Without `wait` the answer comes at once, and is empty if there is no outcome yet.
    """

    call_id: str
    index: int
    wait: bool = True


class PutItems(Message, tag="put_items", frozen=True):
    """Add pickled items to a queue's partition; answered by `ItemsPut` with how many there was room for.

    With `wait` the answer comes when all are in.
    """

    queue_id: str
    partition: str
    items: list[bytes]
    wait: bool


class GetItems(Message, tag="get_items", frozen=True):
    """Take up to `count` items from a queue's partition; answered by `ItemsGot`, with `wait` once there is one."""

    queue_id: str
    partition: str
    count: int
    wait: bool


class ViewQueue(Message, tag="view_queue", frozen=True):
    """How many items a queue holds, in one partition or (None) in all; `clear` removes them. Answered by `QueueViewed`."""

    queue_id: str
    partition: str | None
    clear: bool = False


class Forget(Message, tag="forget", frozen=True):
    """The answer to an earlier request is no longer wanted."""

    request_id: int


RequestBody = (
    CreateApp
    | StopApp
    | BindFunction
    | UpdateAutoscaler
    | ViewFunction
    | ViewApp
    | ViewCall
    | AwaitOutcomes
    | SubmitInputs
    | PutItems
    | GetItems
    | ViewQueue
)


class Request(Message, tag="request", frozen=True):
    """A question with a number; the `Reply` carries the same one."""

    request_id: int
    body: RequestBody


# --- server to client -------------------------------------------------------------------------------------------------


class Outcomes(Message, tag="outcomes", frozen=True):
    """Inputs of a call that ended."""

    call_id: str
    ended: list[Ended]


class CallItems(Message, tag="call_items", frozen=True):
    """Items yielded by a streaming input."""

    call_id: str
    index: int
    items: list[bytes]


class OutputLines(Message, tag="lines", frozen=True):
    """Lines a container wrote to stdout or stderr."""

    app_id: str
    function_name: str
    container_id: str
    stream: Literal["stdout", "stderr", "system"]
    lines: list[str]


class AppCreated(Message, tag="app_created", frozen=True):
    """The ids of the app's functions, by the app each was declared on and its name."""

    functions: list[tuple[str, str, str]]


class FunctionBound(Message, tag="bound", frozen=True):
    function_id: str


class AutoscalerUpdated(Message, tag="autoscaler_updated", frozen=True):
    settings: AutoscalerSettings


class FunctionViewed(Message, tag="function_viewed", frozen=True):
    view: FunctionView


class AppViewed(Message, tag="app_viewed", frozen=True):
    view: AppView


class CallViewed(Message, tag="call_viewed", frozen=True):
    num_inputs: int
    function_id: str


class ItemsPut(Message, tag="items_put", frozen=True):
    count: int


class ItemsGot(Message, tag="items_got", frozen=True):
    items: list[bytes]


class QueueViewed(Message, tag="queue_viewed", frozen=True):
    length: int


class Done(Message, tag="done", frozen=True):
    """A request with nothing to tell was carried out."""


class RequestFailed(Message, tag="failed", frozen=True):
    """A request was refused; `failure` is an encoded `Failure`."""

    failure: bytes


ReplyBody = (
    AppCreated
    | FunctionBound
    | AutoscalerUpdated
    | FunctionViewed
    | AppViewed
    | CallViewed
    | Outcomes
    | ItemsPut
    | ItemsGot
    | QueueViewed
    | Done
    | RequestFailed
)


class Reply(Message, tag="reply", frozen=True):
    request_id: int
    body: ReplyBody


# --- server to container ----------------------------------------------------------------------------------------------


class Configure(Message, tag="configure", frozen=True):
    """What a new container serves. `functions` is `AppCreated.functions`: how nested calls find their targets."""

    app_id: str
    app_name: str
    function_id: str
    spec: FunctionSpec
    sys_path: tuple[str, ...]
    project_dir: str
    functions: list[tuple[str, str, str]]


class Deliver(Message, tag="deliver", frozen=True):
    """Run these attempts."""

    attempts: list[Delivery]


class AckItems(Message, tag="ack_items", frozen=True):
    """On the control connection: the consumer of a streaming attempt took `count` more items."""

    attempt: int
    count: int


class CancelAttempts(Message, tag="cancel_attempts", frozen=True):
    """On the control connection: end these attempts; unknown ones are ignored."""

    attempts: list[int]


class Stop(Message, tag="stop", frozen=True):
    """On the control connection: take no more work, run exit hooks, end. `grace` seconds until the container is killed."""

    grace: float


# --- container to server ----------------------------------------------------------------------------------------------


class Ready(Message, tag="ready", frozen=True):
    """Imported and entered; attempts may come."""


class StartFailed(Message, tag="start_failed", frozen=True):
    """The container could not start. `phase`: "loading" (import) or "entering" (hooks)."""

    phase: Literal["loading", "entering"]
    failure: bytes


class Finished(Message, tag="finished", frozen=True):
    """Attempts that ended."""

    attempts: list[AttemptEnd]


class StopDelivering(Message, tag="stop_delivering", frozen=True):
    """Send no more attempts here; once those held have ended, the container is to be stopped."""


class Items(Message, tag="items", frozen=True):
    """Items yielded by a streaming attempt."""

    attempt: int
    items: list[bytes]


ToServer = (
    Hello
    | SubmitInputs
    | CancelCall
    | AckCallItems
    | Request
    | Forget
    | Ready
    | StartFailed
    | Finished
    | Items
    | StopDelivering
)
ToClient = Refused | Outcomes | CallItems | OutputLines | Reply
ToExecutor = Refused | Configure | Deliver
ToControl = Refused | CancelAttempts | AckItems | Stop
