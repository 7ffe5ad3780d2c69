"""A server that never ran: records and views made up by a rule, behind the seam that the dashboard sees real ones through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace

from motet.errors import NotFoundError
from motet.model.attempt import AttemptRecord
from motet.model.deployment import DeploymentView
from motet.model.ids import input_id, split_input_id
from motet.model.outcome import CallKind, OutcomeKind
from motet.model.sandbox import SandboxView
from motet.model.scaling import AutoscalerSettings, AutoscalerUpdate
from motet.model.schedule import ScheduleView
from motet.model.views import AppView, ContainerView, FunctionView, InputView
from motet.records.batch import RecordBatch
from motet.records.calls import CallRecord, CallSummary
from motet.records.facts import DecisionRecord, SampleRecord
from motet.records.inputs import InputRecord
from motet.records.logs import LogLine
from motet.records.pools import AppRecord, ContainerRecord, FunctionRecord
from motet.records.queries import CallQuery, InputQuery, LogQuery
from motet.store.records import F
from motet.wire.deployment_messages import DeploymentsListed, ListDeployments
from motet.wire.report import Failure
from motet.wire.sandbox_messages import ListSandboxes, SandboxesListed
from motet.wire.schedule_messages import ListSchedules, SchedulesListed

NOW = 1_750_000_000.0
APP, OLD_APP = "ap-made", "ap-old"
FETCH, SHOP = "fu-fetch", "fu-shop"
CALL, NESTED, LIVE_CALL = "fc-map", "fc-nested", "fc-live"
READY, STARTING, DRAINING, DEAD = "ta-ready", "ta-starting", "ta-draining", "ta-dead"
HOSTILE = '<script>window.hacked = true</script><img src=x onerror="window.hacked = true">'
FAILURE_TEXT = 'Traceback (most recent call last):\n  File "shop.py", line 7, in fetch\nValueError: <b>price</b> of 13'


def _version(number: int, state: Any, app_id: str, **more: Any) -> DeploymentView:
    return DeploymentView(
        name="shop",
        version=number,
        app_id=app_id,
        state=state,
        deployed_at=NOW - 1000 + 100 * number,
        deployed_by="ada",
        functions=2,
        **more,
    )


VERSIONS = [
    _version(4, "canary", "ap-canary", strategy="canary", share=10.0, tag=HOSTILE, commit="0123456789ab*"),
    _version(3, "live", APP, share=90.0, tag="third"),
    _version(2, "failed", "ap-2", why="Traceback ...\nZeroDivisionError: division by zero", ended_at=NOW - 790),
    _version(1, "replaced", OLD_APP, ended_at=NOW - 700),
]


class MadeRecords:
    """Lists with the questions that a store answers."""

    def __init__(self) -> None:
        self.all_apps = [AppRecord(APP, "shop", NOW - 600), AppRecord(OLD_APP, "yesterday", NOW - 90_000, NOW - 80_000)]
        self.all_functions = [FunctionRecord(FETCH, APP, "fetch", 60, 50), FunctionRecord(SHOP, APP, "Shop", 1, 1)]
        self.all_calls: list[CallRecord] = []
        self.all_inputs: list[InputRecord] = []
        self.all_containers: list[ContainerRecord] = []
        self.all_lines: list[LogLine] = []
        self.all_decisions: list[DecisionRecord] = []
        self.all_samples: list[SampleRecord] = []

    def apps(self) -> list[AppRecord]:
        return self.all_apps

    def functions(self, app: str | None = None) -> list[FunctionRecord]:
        return [each for each in self.all_functions if app in (None, each.app_id)]

    def calls(self, query: CallQuery) -> list[CallSummary]:
        names = {each.function_id: each.name for each in self.all_functions}
        found = [
            self._summary(each)
            for each in sorted(self.all_calls, key=lambda each: -each.submitted_at)
            if query.function in (None, each.function_id, names.get(each.function_id))
            and query.parent_input_id in (None, each.parent_input_id)
            and (query.before is None or each.submitted_at < query.before)
        ]
        return [each for each in found if not query.kinds or any(self._count(each, kind) for kind in query.kinds)][
            : query.limit
        ]

    def call(self, call_id: str) -> CallSummary | None:
        return next((self._summary(each) for each in self.all_calls if each.call_id == call_id), None)

    def _count(self, summary: CallSummary, kind: OutcomeKind) -> int:
        return sum(each.kind is kind for each in self.all_inputs if each.call_id == summary.call.call_id)

    def _summary(self, call: CallRecord) -> CallSummary:
        mine = [each for each in self.all_inputs if each.call_id == call.call_id]
        name = next(each.name for each in self.all_functions if each.function_id == call.function_id)
        counts = [sum(each.kind is kind for each in mine) for kind in list(OutcomeKind)[:5]]
        success, failure, timed_out, cancelled, lost = counts
        ended_at = max((each.ended_at for each in mine), default=0.0)
        return CallSummary(call, APP, name, ended_at, success, failure, cancelled, timed_out, lost)

    def inputs(self, query: InputQuery) -> list[InputRecord]:
        found = [
            each
            for each in self.all_inputs
            if query.call_id in (None, each.call_id)
            and (not query.kinds or each.kind in query.kinds)
            and (query.after_index is None or each.index > query.after_index)
            and (query.container_id is None or any(it.container_id == query.container_id for it in each.attempts))
            and (query.since is None or each.ended_at >= query.since)
            and (query.until is None or each.ended_at < query.until)
        ]
        if query.call_id is None:
            found.sort(key=lambda each: -each.ended_at)
        return found[: query.limit]

    def input(self, input_id: str) -> InputRecord | None:
        call_id, index = split_input_id(input_id)
        return next((each for each in self.all_inputs if (each.call_id, each.index) == (call_id, index)), None)

    def containers(
        self, function: str | None = None, *, ids: Sequence[str] | None = None, running: bool = False
    ) -> list[ContainerRecord]:
        return [
            each
            for each in self.all_containers
            if function in (None, each.function_id)
            and (ids is None or each.container_id in ids)
            and not (running and each.ended_at)
        ]

    def container(self, container_id: str) -> ContainerRecord | None:
        return next((each for each in self.all_containers if each.container_id == container_id), None)

    def facts(
        self,
        kind: type[F],
        about: Sequence[str],
        *,
        since: float | None = None,
        until: float | None = None,
        limit: int | None = None,
    ) -> list[F]:
        made: list[Any] = {DecisionRecord: self.all_decisions, SampleRecord: self.all_samples}.get(kind, [])
        found = [
            each for each in made if each.function_id in about and (since or 0.0) <= each.at <= (until or float("inf"))
        ]
        return found[-limit if limit else 0 :]

    def logs(self, query: LogQuery) -> list[LogLine]:
        call_id, index = split_input_id(query.input_id) if query.input_id else (query.call_id, None)
        found = [
            each
            for each in self.all_lines
            if (call_id is None or each.call_id == call_id)
            and (index is None or each.index == index)
            and query.function in (None, each.function_id, each.function_name)
            and query.container_id in (None, each.container_id)
            and (not query.sources or each.source in query.sources)
            and (query.search is None or query.search.lower() in each.text.lower())
            and (query.since is None or each.at >= query.since)
            and (query.until is None or each.at <= query.until)
            and (query.after is None or each.position > query.after)
        ]
        return found[-query.limit :] if query.newest else found[: query.limit]


SCHEDULES = [
    ScheduleView(
        app="shop",
        function="fetch",
        version=3,
        when="every 1 hour",
        missed="run_once",
        overlap=True,
        next_at=NOW + 60,
        ran_at=NOW - 3540,
        call_id="fc-1",
        note="late by 20 s",
    )
]


SANDBOX = SandboxView(
    sandbox_id="sb-made",
    app_id=APP,
    app_name="shop",
    name="till",
    tags={"floor": "2"},
    command=("sh", "-c", HOSTILE),
    isolation="process",
    began_at=NOW - 90,
    timeout=300.0,
    ended="exited",
    ended_at=NOW - 30,
    returncode=3,
)


class MadeServer:
    """Keeps what it is told in `done`, and changes nothing but settings."""

    def __init__(self, inputs: int = 40) -> None:
        self.kept = MadeRecords()
        self.done: list[str] = []
        self.waiting = 120
        self.answers: dict[type[Any], Callable[[Any], Any]] = {
            ListDeployments: self._list,
            ListSchedules: self._list_schedules,
            ListSandboxes: self._list_sandboxes,
        }
        self.live: list[InputView] = [_live(index) for index in range(5)]
        self._settings = AutoscalerSettings(max_containers=10)
        self._listeners: list[Callable[[RecordBatch], None]] = []
        self._fill(inputs)

    @property
    def records(self) -> MadeRecords:
        return self.kept

    async def flush(self) -> None:
        pass

    def views(self) -> tuple[AppView, ...]:
        containers = (
            _container(READY, "ready", 57),
            _container(STARTING, "starting", 0),
            _container(DRAINING, "draining", 3),
        )
        fetch = _view(FETCH, "fetch", containers, waiting=self.waiting, running=60)
        shop = replace(_view(SHOP, "Shop", (), waiting=1, running=0), max_inputs=1, target_inputs=1)
        return (AppView(app_id=APP, name="shop", functions=(fetch, replace(shop, shortage="waiting for a GPU"))),)

    async def _list(self, body: ListDeployments) -> DeploymentsListed:
        if body.name not in ("", "shop"):
            raise NotFoundError(f"App {body.name!r} is not deployed on this server.")
        return DeploymentsListed(VERSIONS[:2] if not body.name else VERSIONS)

    async def _list_schedules(self, body: ListSchedules) -> SchedulesListed:
        return SchedulesListed([it for it in SCHEDULES if body.app in ("", it.app)])

    async def _list_sandboxes(self, body: ListSandboxes) -> SandboxesListed:
        return SandboxesListed([SANDBOX])

    def live_inputs(self, *, call_id: str | None = None, function_id: str | None = None, limit: int) -> list[InputView]:
        return [each for each in self.live if call_id in (None, each.call_id) and function_id in (None, FETCH)][:limit]

    def live_input(self, input_id: str) -> InputView | None:
        return next((each for each in self.live if each.input_id == input_id), None)

    def settings(self, function_id: str) -> AutoscalerSettings:
        return self._settings

    def cancel_call(self, call_id: str, *, terminate_containers: bool = False) -> None:
        if call_id != LIVE_CALL:
            raise NotFoundError(f"no call {call_id} has unfinished inputs on this server")
        self.done.append(f"cancel {call_id} {terminate_containers}")
        self.live = []

    def stop_container(self, container_id: str, *, graceful: bool) -> None:
        if container_id not in (READY, STARTING, DRAINING):
            raise NotFoundError(f"no container {container_id} runs on this server")
        self.done.append(f"stop {container_id} {graceful}")

    def update_autoscaler(self, function_id: str, change: AutoscalerUpdate) -> AutoscalerSettings:
        self._settings = self._settings.updated(change)
        return self._settings

    def subscribe(self, listener: Callable[[RecordBatch], None]) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @property
    def watchers(self) -> int:
        """How many listen."""
        return len(self._listeners)

    def keep(self, batch: RecordBatch, lines: Sequence[LogLine] = ()) -> None:
        """Keep lines, and say that `batch` came."""
        self.kept.all_lines += lines
        for listener in list(self._listeners):
            listener(batch)

    def _fill(self, inputs: int) -> None:
        kept = self.kept
        kept.all_calls = [
            CallRecord(CALL, FETCH, CallKind.ATTACHED, "", NOW - 60),
            CallRecord(NESTED, SHOP, CallKind.ATTACHED, "price", NOW - 50, input_id(CALL, 3)),
            CallRecord(LIVE_CALL, FETCH, CallKind.SPAWNED, "", NOW - 10),
        ]
        kept.all_inputs = [_ended(index) for index in range(inputs)]
        kept.all_inputs += [_ended(index, NESTED, READY, NOW - 49) for index in range(2)]
        kept.all_containers = [
            ContainerRecord(STARTING, FETCH, NOW - 2, NOW - 1.9, "120 inputs at 50 each want 3"),
            ContainerRecord(READY, FETCH, NOW - 60, NOW - 59.9, "40 inputs want 1", NOW - 59.8, NOW - 59, NOW - 58.5),
            ContainerRecord(DRAINING, FETCH, NOW - 50, NOW - 49.9, "buffer", NOW - 49.8, NOW - 49, NOW - 48.5),
            ContainerRecord(
                DEAD,
                FETCH,
                NOW - 55,
                NOW - 54.9,
                "want 2",
                NOW - 54.8,
                NOW - 54,
                NOW - 53,
                NOW - 52,
                "killed by SIGKILL",
            ),
        ]
        for index in range(inputs):
            kept.all_lines.append(line(index + 1, NOW - 50 + index / 10, f"fetched number {index}", index=index))
        kept.all_lines.append(line(inputs + 1, NOW - 2, HOSTILE, source="stderr", index=7))
        kept.all_lines.append(line(inputs + 2, NOW - 1, "container is ready", source="system"))
        kept.all_decisions = [
            DecisionRecord(NOW - 60, FETCH, 1, 0, 0, 40, 0, "40 inputs at 50 each want 1"),
            DecisionRecord(NOW - 2, FETCH, 3, 2, 0, 120, 60, "180 inputs at 50 each want 4, of which 3 pay"),
        ]
        kept.all_samples = [
            SampleRecord(
                NOW - 60 + second, FETCH, second, 2 * second, 100 * second, second // 10, 0, 1 + second // 20, 0, 0
            )
            for second in range(60)
        ]


def line(
    position: int, at: float, text: str, *, source: str = "stdout", index: int = -1, call_id: str = CALL
) -> LogLine:
    """One line that a container of `fetch` wrote."""
    call = call_id if index >= 0 else ""
    return LogLine(position, at, APP, FETCH, "fetch", READY, call, index, source, text)  # type: ignore[arg-type]


def sample(at: float, *, waiting: int, succeeded: int) -> SampleRecord:
    """The pool of `fetch` at a moment."""
    return SampleRecord(at, FETCH, waiting, 0, succeeded, 0, 0, 1, 0, 0)


def _ended(index: int, call_id: str = CALL, container_id: str = READY, start: float | None = None) -> InputRecord:
    start = NOW - 55 if start is None else start
    submitted, delivered = start, start + 1 + index / 100
    kind = OutcomeKind.FAILURE if index % 13 == 12 else OutcomeKind.SUCCESS
    attempts = [AttemptRecord(container_id, delivered, delivered + 0.5, kind, delivered + 0.01, delivered + 0.49)]
    if index == 5:
        attempts.insert(0, AttemptRecord(DEAD, start + 0.2, start + 0.6, OutcomeKind.LOST))
    encoded = b"" if kind is OutcomeKind.SUCCESS else _failure()
    return InputRecord.of(call_id, index, submitted, delivered + 0.5, kind, attempts, encoded)


def _failure() -> bytes:
    return Failure("ValueError", "<b>price</b> of 13", FAILURE_TEXT).encoded()


def _live(index: int) -> InputView:
    running = index < 2
    return InputView(
        input_id=input_id(LIVE_CALL, index),
        call_id=LIVE_CALL,
        method="",
        state="running" if running else "waiting",
        submitted_at=NOW - 10,
        attempts=int(running),
        container_id=READY if running else None,
        delivered_at=NOW - 9 if running else None,
    )


def _container(container_id: str, state: str, running: int) -> ContainerView:
    return ContainerView(container_id=container_id, state=state, running_inputs=running, finished_inputs=400, age=58.0)


def _view(
    function_id: str, name: str, containers: tuple[ContainerView, ...], waiting: int, running: int
) -> FunctionView:
    return FunctionView(
        function_id=function_id,
        name=name,
        waiting_inputs=waiting,
        running_inputs=running,
        succeeded_inputs=5900,
        failed_inputs=5,
        cancelled_inputs=0,
        max_inputs=60,
        target_inputs=50,
        started_containers=4,
        peak_containers=3,
        containers=containers,
        last_decision="180 inputs at 50 each want 4, of which 3 pay",
    )
