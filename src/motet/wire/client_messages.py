"""The conversation between a client and its server: calls with their outcomes, and requests with their replies.

Queues (`queue_messages.py`), dicts (`state_messages.py`), operators (`operator_messages.py`), deployments
(`deployment_messages.py`) and sandboxes (`sandbox_messages.py`) have requests of their own.
"""

from __future__ import annotations

from typing import Literal

from motet.model.function import AppSpec, FunctionVariant
from motet.model.limits import Index, Name, Payload
from motet.model.outcome import CallKind, InputEnd, NewInput
from motet.model.scaling import AutoscalerSettings, AutoscalerUpdate
from motet.model.views import AppView, FunctionView
from motet.wire import deployment_messages as d
from motet.wire import operator_messages as o
from motet.wire import schedule_messages as c
from motet.wire.access_messages import ListTokens, NewToken, RevokeToken, TokenMade, TokensListed
from motet.wire.bundle_messages import BundleOffered, OfferBundle, PutPieces
from motet.wire.conversation_messages import Goodbye, OutcomesTaken, Taken
from motet.wire.hello import Agreed, Refused
from motet.wire.image_messages import BuildImages, ImagesBuilt
from motet.wire.message import Message
from motet.wire.output_messages import LinePart
from motet.wire.queue_messages import AnswerNow, Confirm, GetItems, ItemsGot, ItemsPut, PutItems, QueueViewed, ViewQueue
from motet.wire.sandbox_messages import SandboxReply, SandboxRequest
from motet.wire.state_messages import StateReply, StateRequest

STREAM_WINDOW = 256
"""Items that a generator may be ahead of its consumer."""

# --- client to server -------------------------------------------------------------------------------------------------


class SubmitInputs(Message, tag="submit", frozen=True):
    """Inputs for a call; the first such message of a call makes it. `trace`: a `traceparent` for what becomes of them.
    `at_most_once`: an input whose container is gone does not run again. `again`: they were sent to a server before this one."""

    call_id: Name
    function_id: Name
    kind: CallKind
    method: Name
    inputs: list[NewInput]
    parent_input_id: Name | None = None
    trace: Name = ""
    at_most_once: bool = False
    again: bool = False


class CancelCall(Message, tag="cancel", frozen=True):
    """End every unfinished input of a call; the client no longer wants their outcomes.

    `terminate_containers`: the containers that run any of them are killed, and what else they run is run elsewhere.
    """

    call_id: str
    terminate_containers: bool = False


class AckCallItems(Message, tag="ack", frozen=True):
    """The consumer of a stream took `count` more items."""

    call_id: Name
    index: Index
    count: Index


class FeedCall(Message, tag="feed", frozen=True):
    """Items for an input that takes some while it runs (a request's body); they wait with it for its container."""

    call_id: Name
    index: Index
    items: list[Payload]


class CreateApp(Message, tag="create_app", frozen=True):
    """Register an app's functions; answered by `AppCreated`. The app ends with `StopApp` or, unless it is to be `detached`,
    with the connection. `functions`: the ids that they had on a server before this one, as in `AppCreated`. `bundle`: the
    digest of its source; empty: its files are where the server finds them."""

    app_id: Name
    spec: AppSpec
    detached: bool = False
    functions: tuple[tuple[Name, Name, Name], ...] = ()
    bundle: Name = ""


class StopApp(Message, tag="stop_app", frozen=True):
    """Cancel an app's work and stop its containers; answered by `Done` when they are gone."""

    app_id: str


class BindFunction(Message, tag="bind", frozen=True):
    """The function that `variant` makes of `function_id`; answered by `FunctionBound`. The same variant gives the same id.
    `bound`: the one that it had on a server before this one."""

    function_id: str
    variant: FunctionVariant
    bound: Name = ""


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

    Without `wait` the answer comes at once, and is empty if there is no outcome yet. At most `count` outcomes come.
    """

    call_id: str
    index: Index
    wait: bool = True
    count: Index = 100


class SpawnOnce(Message, tag="spawn_once", frozen=True):
    """Spawn these inputs, unless a call of this principal, of the same function, was spawned with the same key: answered by
    `CallSpawned` with that one, or refused if it has other arguments."""

    key: Name
    inputs: SubmitInputs


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
    | o.ViewServer
    | o.ViewStatus
    | o.ViewHosts
    | o.ViewInputs
    | o.ViewSettings
    | o.ViewEnvironment
    | o.EndCall
    | o.EndContainer
    | o.PruneHome
    | o.FailedRequest
    | o.FindLogs
    | o.FindInput
    | o.FindInputs
    | o.FindApps
    | o.FindAudit
    | o.FindFunctions
    | o.FindContainers
    | o.FindCall
    | o.FindCalls
    | o.FindCallGraph
    | o.OpenDashboard
    | AwaitOutcomes
    | SubmitInputs
    | SpawnOnce
    | PutItems
    | GetItems
    | ViewQueue
    | NewToken
    | ListTokens
    | RevokeToken
    | d.DeployApp
    | d.RollBackApp
    | d.PromoteApp
    | d.StopDeployed
    | d.ListDeployments
    | d.ViewVersions
    | d.FindApp
    | d.FindFunction
    | OfferBundle
    | PutPieces
    | c.ScheduleRequest
    | BuildImages
    | SandboxRequest
    | StateRequest
)


class Request(Message, tag="request", frozen=True):
    """A question with a number; the `Reply` carries the same one."""

    request_id: int
    body: RequestBody


# --- server to client -------------------------------------------------------------------------------------------------


class Broken(Message, tag="broken", frozen=True):
    """The server ends because of a bug of its own, and closes the connection; `failure` is an encoded `InternalError`."""

    failure: bytes


class Farewell(Message, tag="farewell", frozen=True):
    """The server ends in order, and so does what it runs: there is nothing to come back for."""


class Outcomes(Message, tag="outcomes", frozen=True):
    """Inputs of a call that ended."""

    call_id: str
    ended: list[InputEnd]


class CallItems(Message, tag="call_items", frozen=True):
    """Items yielded by a streaming input."""

    call_id: str
    index: int
    items: list[bytes]


class CallFeedTaken(Message, tag="feed_taken", frozen=True):
    """An input took `count` more (bytes, for a web request) of what it was fed."""

    call_id: str
    index: int
    count: int


class OutputLines(Message, tag="lines", frozen=True):
    """Lines a container wrote to stdout or stderr, or that we have to say ("system").

    `call_id` is empty, and `index` -1, where no one input can have written them. `at`: when, on the wall clock; 0: now.
    `part`: see `LinePart`.
    """

    app_id: str
    function_name: str
    container_id: str
    stream: Literal["stdout", "stderr", "system"]
    lines: list[str]
    call_id: str = ""
    index: int = -1
    at: float = 0.0
    part: LinePart = ""


class AppCreated(Message, tag="app_created", frozen=True):
    """Its functions' ids, by the key of the app each was declared on and its name; URLs by function id and method."""

    functions: list[tuple[str, str, str]]
    web_urls: list[tuple[str, str, str]]


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


class CallSpawned(Message, tag="call_spawned", frozen=True):
    """This call has the inputs that were to be spawned once."""

    call_id: str


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
    | CallSpawned
    | o.ServerViewed
    | o.StatusViewed
    | o.HostsViewed
    | o.InputsViewed
    | o.LogsFound
    | o.InputFound
    | o.EndedInputsFound
    | o.AppsFound
    | o.AuditFound
    | o.FunctionsFound
    | o.ContainersFound
    | o.CallsFound
    | o.CallGraphFound
    | o.EnvironmentViewed
    | o.DashboardOpened
    | o.HomePruned
    | Outcomes
    | ItemsPut
    | ItemsGot
    | QueueViewed
    | TokenMade
    | TokensListed
    | d.AppDeployed
    | d.DeploymentsListed
    | d.VersionsViewed
    | d.AppFound
    | d.FunctionFound
    | BundleOffered
    | c.ScheduleReply
    | ImagesBuilt
    | SandboxReply
    | StateReply
    | Done
    | RequestFailed
)


class Reply(Message, tag="reply", frozen=True):
    """The answer to a request. `more`: this is a part of it, and the rest of its list follows."""

    request_id: int
    body: ReplyBody
    more: bool = False


FromClient = (
    SubmitInputs
    | CancelCall
    | OutcomesTaken
    | AckCallItems
    | FeedCall
    | Request
    | Forget
    | Confirm
    | AnswerNow
    | Taken
    | Goodbye
)
ToClient = Agreed | Refused | Broken | Farewell | Outcomes | CallItems | CallFeedTaken | OutputLines | Reply | Taken
