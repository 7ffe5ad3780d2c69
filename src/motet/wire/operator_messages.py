"""Messages of those who look at a server and operate it: requests, then replies."""

from __future__ import annotations

import msgspec

from motet.model.audit import AuditEntry
from motet.model.hidden import hides_secrets
from motet.model.host import HostView
from motet.model.limits import Name
from motet.model.views import AppView, InputView
from motet.records.calls import CallSummary
from motet.records.facts import StallRecord
from motet.records.inputs import InputRecord
from motet.records.logs import LogLine
from motet.records.pools import AppRecord, ContainerRecord, FunctionRecord
from motet.records.queries import CallQuery, InputQuery, LogQuery
from motet.wire.call_graph import GraphInput
from motet.wire.message import Message


class ViewServer(Message, tag="view_server", frozen=True):
    """All apps that run; answered by `ServerViewed`."""


class ViewHosts(Message, tag="view_hosts", frozen=True):
    """The machines that containers run on; answered by `HostsViewed`."""


class ViewStatus(Message, tag="view_status", frozen=True):
    """How the server itself is; answered by `StatusViewed`."""


class OpenDashboard(Message, tag="open_dashboard", frozen=True):
    """Serve the dashboard, if it is not served yet; answered by `DashboardOpened`."""


class ViewInputs(Message, tag="view_inputs", frozen=True):
    """Inputs that have not ended, of a call or a function, `limit` at most; answered by `InputsViewed`."""

    call_id: str | None
    function_id: str | None
    limit: int


class ViewSettings(Message, tag="view_settings", frozen=True):
    """A pool's bounds; answered by `AutoscalerUpdated`."""

    function_id: str


class EndCall(Message, tag="end_call", frozen=True):
    """Cancel a call, whoever made it; answered by `Done`, or by a failure if it has no unfinished inputs."""

    call_id: str
    terminate_containers: bool = False


class RerunInput(Message, tag="rerun", frozen=True):
    """Run an input that failed once more, as the only input of a spawned call with this id, which is whoever's asks; a call of
    this id that is there already is left as it is. Answered by `Done`."""

    input_id: Name
    call_id: Name


class EraseCalls(Message, tag="erase_calls", frozen=True):
    """Have nothing left of calls that have ended: arguments, results, inputs and lines. Answered by `Done`, or by a failure if
    nothing is kept of any."""

    call_ids: tuple[Name, ...]


class EndContainer(Message, tag="end_container", frozen=True):
    """Stop a container, when it has finished what it runs (`graceful`) or now; answered by `Done`."""

    container_id: str
    graceful: bool = False


class PruneHome(Message, tag="prune_home", frozen=True):
    """Let go of bundles that no version needs: of those that one can roll back to, the newest `keep_versions` of each app
    (None: all) are needed. `arguments`: also of large arguments of inputs that failed. With `dry_run` nothing goes. Answered
    by `HomePruned`."""

    keep_versions: int | None = None
    dry_run: bool = False
    arguments: bool = False


class ViewEnvironment(Message, tag="view_environment", frozen=True):
    """What a container that lives was given as its environment, secrets included; answered by `EnvironmentViewed`."""

    container_id: str


class FindCallGraph(Message, tag="find_call_graph", frozen=True):
    """A call, its inputs, and what they called; answered by `CallGraphFound`."""

    call_id: str


class FindLogs(Message, tag="find_logs", frozen=True):
    """Lines that are kept; answered by `LogsFound`. `wait`: not before there is one, or none will come any more."""

    query: LogQuery
    wait: bool = False


class FindInput(Message, tag="find_input", frozen=True):
    """An ended input and what its timeline is made of; answered by `InputFound`."""

    input_id: str


class FindCalls(Message, tag="find_calls", frozen=True):
    """Calls that are kept; answered by `CallsFound`."""

    query: CallQuery


class FindCall(Message, tag="find_call", frozen=True):
    """One of them, by its id; answered by `CallsFound` with one or none."""

    call_id: str


class FindInputs(Message, tag="find_inputs", frozen=True):
    """Ended inputs that are kept; answered by `EndedInputsFound`."""

    query: InputQuery


class FindApps(Message, tag="find_apps", frozen=True):
    """Apps that are kept; answered by `AppsFound`."""


class FindFunctions(Message, tag="find_functions", frozen=True):
    """Functions that are kept, of one app or (None) of all; answered by `FunctionsFound`."""

    app: str | None


class FindContainers(Message, tag="find_containers", frozen=True):
    """Containers that are kept: of a function, or (None) those with these ids; answered by `ContainersFound`."""

    function: str | None
    ids: tuple[str, ...] = ()


class FindAudit(Message, tag="find_audit", frozen=True):
    """What was written down of who did what since a moment (None: ever), the oldest first, but for the first `skip` of those;
    answered by `AuditFound`, with `limit` at most."""

    since: float | None = None
    skip: int = 0
    limit: int = 1000


class ServerViewed(Message, tag="server_viewed", frozen=True):
    views: list[AppView]


class InputsViewed(Message, tag="inputs_viewed", frozen=True):
    views: list[InputView]


class LogsFound(Message, tag="logs_found", frozen=True):
    """`over`: what was asked about has ended, and these are the last lines after `query.after`, if there were no more than
    `query.limit`."""

    lines: list[LogLine]
    over: bool = False


class InputFound(Message, tag="input_found", frozen=True):
    """`record` is None for an input that has not ended, or is not kept."""

    record: InputRecord | None
    containers: list[ContainerRecord]
    stalls: list[StallRecord]


class CallsFound(Message, tag="calls_found", frozen=True):
    calls: list[CallSummary]


class EndedInputsFound(Message, tag="ended_inputs_found", frozen=True):
    records: list[InputRecord]


class AppsFound(Message, tag="apps_found", frozen=True):
    apps: list[AppRecord]


class FunctionsFound(Message, tag="functions_found", frozen=True):
    functions: list[FunctionRecord]


class ContainersFound(Message, tag="containers_found", frozen=True):
    containers: list[ContainerRecord]


class AuditFound(Message, tag="audit_found", frozen=True):
    entries: list[AuditEntry]


@hides_secrets
class EnvironmentViewed(Message, tag="environment_viewed", frozen=True):
    env: dict[str, str]


class CallGraphFound(Message, tag="call_graph_found", frozen=True):
    inputs: list[GraphInput]


class DashboardOpened(Message, tag="dashboard_opened", frozen=True):
    """Where the dashboard is, without a slash at the end, and a code for one login there (`?code=`) within a minute."""

    url: str
    code: str


class HomePruned(Message, tag="home_pruned", frozen=True):
    """So many bundles went, or would go, and bytes on disk. The same for large arguments and results of calls."""

    bundles: int
    size: int
    blobs: int = 0
    blobs_size: int = 0


class MemberViewed(msgspec.Struct, array_like=True, frozen=True):
    """One of the servers that share a database: who it is, in words, where clients reach it, and how many seconds ago it has
    said so. `term`: the one that it leads with; 0: it stands by. `lease`: the seconds that it was told a lease should run;
    0: it was not."""

    holder: str
    address: str
    motet: str
    term: int
    age: float
    lease: float


class HostsViewed(Message, tag="hosts_viewed", frozen=True):
    """The server's own machine first, if it has containers; its id is empty."""

    found: list[HostView]


class StatusViewed(Message, tag="status_viewed", frozen=True):
    """A server: what it is, since when (wall clock), and where. `state`: "ready", or why it is not. `connections`: by
    principal, those of containers' code under "". The fingerprint is of its TLS key, if it has one.

    Of one that shares its database with others: the `term` that it leads with, for how many seconds its lease runs, and who
    shares it, this one among them."""

    motet: str
    python: str
    state: str
    problems: tuple[str, ...]
    pid: int
    started_at: float
    apps: int
    containers: int
    connections: dict[str, int]
    strangers: int
    addresses: tuple[str, ...]
    fingerprint: str = ""
    certificate_expires_at: float | None = None
    term: int = 0
    lease: float = 0.0
    members: tuple[MemberViewed, ...] = ()


FailedRequest = RerunInput | EraseCalls
"""Requests about what failed."""
