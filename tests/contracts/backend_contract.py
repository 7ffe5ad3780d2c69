"""The contract of `motet.backends.base.Backend`: inherit `BackendContract` and give it a `stage` fixture."""

from __future__ import annotations

import asyncio
import functools
import itertools
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import pytest
import uvloop

from motet.backends.base import NOT_STARTED, Backend, ContainerEnd, Launch, Stream, TemplateEnd
from motet.errors import InternalError
from motet.model.template import PLAIN_TEMPLATE, TemplateSpec

DEADLINE = 20.0


def in_loop(scenario: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """A test from a coroutine function, run on the loop that production uses and with a deadline."""

    @functools.wraps(scenario)
    def test(*args: Any, **kwargs: Any) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(asyncio.wait_for(scenario(*args, **kwargs), DEADLINE))

    return test


class RecordingReports:
    """`Reports` that keeps all, in order, and can be waited on."""

    def __init__(self) -> None:
        self.log: list[tuple[str, object]] = []
        self.ended: dict[str, ContainerEnd] = {}
        self.output: dict[tuple[str, Stream], bytes] = {}
        self.lost: list[str] = []
        self.threads: set[int] = set()
        self._waiters: list[asyncio.Event] = []

    def container_output(self, container_id: str, stream: Stream, data: bytes) -> None:
        self.output[container_id, stream] = self.output.get((container_id, stream), b"") + data
        self._note("output", container_id)

    def container_frozen(self, container_id: str) -> None:
        self._note("frozen", container_id)

    def container_thawed(self, container_id: str) -> None:
        self._note("thawed", container_id)

    def container_ended(self, ended: ContainerEnd) -> None:
        assert ended.container_id not in self.ended, f"{ended} came after {self.ended[ended.container_id]}"
        self.ended[ended.container_id] = ended
        self._note("ended", ended.container_id)

    def backend_silent(self, reason: str) -> None:
        self._note("silent", reason)

    def backend_heard(self) -> None:
        self._note("heard", "")

    def template_ended(self, ended: TemplateEnd) -> None:
        if ended.is_lost:
            self.lost.append(ended.reason)
        self._note("lost" if ended.is_lost else "idle", ended.reason)

    def backend_lost(self, reason: str) -> None:
        self.lost.append(reason)
        self._note("lost", reason)

    def text(self, container_id: str, stream: Stream = "stdout") -> str:
        return self.output.get((container_id, stream), b"").decode()

    async def wait_until(self, condition: Callable[[], object]) -> None:
        """Return when the condition holds; it is looked at after every report."""
        changed = asyncio.Event()
        self._waiters.append(changed)
        while not condition():
            changed.clear()
            await changed.wait()

    async def wait_ended(self, container_id: str) -> ContainerEnd:
        await self.wait_until(lambda: container_id in self.ended)
        return self.ended[container_id]

    async def wait_output(self, container_id: str, text: str, stream: Stream = "stdout") -> None:
        await self.wait_until(lambda: text in self.text(container_id, stream))

    def _note(self, what: str, about: object) -> None:
        self.log.append((what, about))
        self.threads.add(threading.get_ident())
        for waiter in self._waiters:
            waiter.set()


@dataclass(frozen=True, kw_only=True)
class Act:
    """What a container of the contract does: write, then exit with `code`; None: stay until it is killed."""

    writes: tuple[tuple[Stream, str], ...] = ()
    code: int | None = None


class Stage(Protocol):
    """An implementation under test, and a hand on the place where its containers run."""

    @property
    def backend(self) -> Backend: ...

    def launch(self, container_id: str, act: Act) -> Launch:
        """A launch whose container does `act`."""

    def started(self, launch: Launch) -> None:
        """Called after `start_nowait`."""

    def freeze(self, container_id: str) -> None:
        """Stop a container's process by a signal."""

    def thaw(self, container_id: str) -> None:
        """Let it go on."""

    def break_starts(self) -> None:
        """Make every start fail from now on."""

    def lose(self) -> None:
        """Destroy what runs the containers."""


@dataclass
class Session:
    """A stage whose backend is open."""

    stage: Stage
    reports: RecordingReports = field(default_factory=RecordingReports)
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    @property
    def backend(self) -> Backend:
        return self.stage.backend

    def start(self, act: Act, template: TemplateSpec = PLAIN_TEMPLATE) -> str:
        container_id = f"ta-{next(self.numbers)}"
        launch = replace(self.stage.launch(container_id, act), template=template)
        self.backend.start_nowait(launch)
        self.stage.started(launch)
        return container_id

    async def __aenter__(self) -> Session:
        await self.backend.open(self.reports)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.backend.close()


STAYS = Act(writes=(("stdout", "up\n"),))
ANOTHER_TEMPLATE = TemplateSpec(env=((b"KIND", b"another"),))


class BackendContract:
    """Every promise of the docstrings in `motet.backends.base`, as far as all backends can be made to show it."""

    @pytest.fixture
    def stage(self) -> Stage:
        raise NotImplementedError

    @in_loop
    async def test_output_of_both_streams_is_reported_before_the_end(self, stage: Stage) -> None:
        async with Session(stage) as session:
            container = session.start(Act(writes=(("stdout", "a\n"), ("stderr", "b\n"), ("stdout", "c")), code=0))
            await session.reports.wait_ended(container)
        assert session.reports.text(container) == "a\nc"
        assert session.reports.text(container, "stderr") == "b\n"
        assert session.reports.log[-1] == ("ended", container)

    @in_loop
    async def test_asked_for_output_is_reported_from_within_the_call_and_not_again(self, stage: Stage) -> None:
        async with Session(stage) as session:
            reports = session.reports
            container = session.start(Act(writes=(("stdout", "a\n"), ("stderr", "b\n"))))
            while not (reports.text(container) and reports.text(container, "stderr")):
                session.backend.report_output_nowait(container)
                await asyncio.sleep(0.001)
            session.backend.report_output_nowait(container)
            session.backend.report_output_nowait("ta-never-seen")
            session.backend.kill_nowait(container)
            await reports.wait_ended(container)
            session.backend.report_output_nowait(container)
            assert (reports.text(container), reports.text(container, "stderr")) == ("a\n", "b\n")
            assert reports.log[-1] == ("ended", container)

    @in_loop
    async def test_exit_status_is_told_as_a_code_and_in_words(self, stage: Stage) -> None:
        async with Session(stage) as session:
            ended = await session.reports.wait_ended(session.start(Act(code=3)))
        assert (ended.code, ended.description) == (3, "exited with status 3")

    @in_loop
    async def test_killed_container_ends_with_the_signal(self, stage: Stage) -> None:
        async with Session(stage) as session:
            container = session.start(STAYS)
            await session.reports.wait_output(container, "up\n")
            session.backend.kill_nowait(container)
            ended = await session.reports.wait_ended(container)
        assert (ended.code, ended.description) == (-9, "was killed by signal 9 (SIGKILL)")

    @in_loop
    async def test_frozen_and_thawed_container_is_reported_each_time(self, stage: Stage) -> None:
        async with Session(stage) as session:
            container, log = session.start(STAYS), session.reports.log
            await session.reports.wait_output(container, "up\n")
            for _ in range(2):
                stage.freeze(container)
                await session.reports.wait_until(lambda: log[-1] == ("frozen", container))
                stage.thaw(container)
                await session.reports.wait_until(lambda: log[-1] == ("thawed", container))
            assert [what for what, _ in log if what != "output"] == ["frozen", "thawed"] * 2

    @in_loop
    async def test_frozen_container_can_be_killed(self, stage: Stage) -> None:
        async with Session(stage) as session:
            container, log = session.start(STAYS), session.reports.log
            await session.reports.wait_output(container, "up\n")
            stage.freeze(container)
            await session.reports.wait_until(lambda: log[-1] == ("frozen", container))
            session.backend.kill_nowait(container)
            assert (await session.reports.wait_ended(container)).code == -9
            assert log[-2:] == [("frozen", container), ("ended", container)]

    @in_loop
    async def test_container_can_be_killed_at_once_after_its_start(self, stage: Stage) -> None:
        async with Session(stage) as session:
            container = session.start(STAYS)
            session.backend.kill_nowait(container)
            assert (await session.reports.wait_ended(container)).code == -9

    @in_loop
    async def test_kill_is_idempotent_and_ignores_ids_it_does_not_know(self, stage: Stage) -> None:
        async with Session(stage) as session:
            container, other = session.start(STAYS), session.start(STAYS)
            for _ in range(3):
                session.backend.kill_nowait(container)
            session.backend.kill_nowait("ta-never-seen")
            await session.reports.wait_ended(container)
            session.backend.kill_nowait(container)
            await session.reports.wait_output(other, "up\n")
            assert list(session.reports.ended) == [container]

    @in_loop
    async def test_reports_come_on_the_loops_thread_and_never_from_within_a_call(self, stage: Stage) -> None:
        async with Session(stage) as session:
            container = session.start(Act(writes=(("stdout", "x"),), code=0))
            stage.break_starts()
            session.start(STAYS)
            session.backend.kill_nowait(container)
            assert session.reports.log == []
            await session.reports.wait_until(lambda: len(session.reports.ended) == 2)
        assert session.reports.threads == {threading.get_ident()}

    @in_loop
    async def test_gpus_can_be_asked_for_at_any_time_and_there_are_some_or_a_reason(self, stage: Stage) -> None:
        async with Session(stage) as session:
            container = session.start(Act(code=0))
            found = await session.backend.find_gpus()
            assert bool(found.gpus) != bool(found.note)
            assert len({gpu.uuid for gpu in found.gpus}) == len(found.gpus)
            assert await session.backend.find_gpus() == found
            await session.reports.wait_ended(container)

    @in_loop
    async def test_container_that_cannot_start_is_reported_as_ended_with_its_reason(self, stage: Stage) -> None:
        async with Session(stage) as session:
            stage.break_starts()
            ended = await session.reports.wait_ended(session.start(STAYS))
        assert ended.code == NOT_STARTED
        assert ended.description.startswith("could not be started: ")

    @in_loop
    async def test_id_in_use_is_refused_and_free_again_after_the_end(self, stage: Stage) -> None:
        async with Session(stage) as session:
            container = session.start(STAYS)
            launch = stage.launch(container, STAYS)
            with pytest.raises(InternalError, match=container):
                session.backend.start_nowait(launch)
            session.backend.kill_nowait(container)
            await session.reports.wait_ended(container)
            session.reports.ended.clear()
            session.backend.start_nowait(launch)
            session.backend.kill_nowait(container)
            await session.reports.wait_ended(container)

    @in_loop
    async def test_sixty_four_starts_at_once_all_start(self, stage: Stage) -> None:
        async with Session(stage) as session:
            containers = [session.start(Act(writes=(("stdout", f"{n}\n"),), code=n % 7)) for n in range(64)]
            codes = [(await session.reports.wait_ended(container)).code for container in containers]
        assert codes == [n % 7 for n in range(64)]
        assert [session.reports.text(container) for container in containers] == [f"{n}\n" for n in range(64)]

    @in_loop
    async def test_report_of_an_end_may_start_the_next_container(self, stage: Stage) -> None:
        session = Session(stage)
        plain = session.reports.container_ended

        def start_next(ended: ContainerEnd) -> None:
            plain(ended)
            if len(session.reports.ended) < 3:
                session.start(Act(code=0))

        session.reports.container_ended = start_next  # type: ignore[method-assign]
        async with session:
            session.start(Act(code=0))
            await session.reports.wait_until(lambda: len(session.reports.ended) == 3)

    @in_loop
    async def test_close_ends_and_reports_every_container_and_may_be_repeated(self, stage: Stage) -> None:
        async with Session(stage) as session:
            up, starting = session.start(STAYS), None
            await session.reports.wait_output(up, "up\n")
            starting = session.start(STAYS)
            await asyncio.gather(session.backend.close(), session.backend.close())
            assert {id_: ended.code for id_, ended in session.reports.ended.items()} == {up: -9, starting: -9}
            assert session.reports.lost == []
            with pytest.raises(InternalError, match="not open"):
                session.start(STAYS)

    @in_loop
    async def test_containers_of_another_template_start_as_well_as_others(self, stage: Stage) -> None:
        async with Session(stage) as session:
            plain = session.start(STAYS)
            other = session.start(Act(writes=(("stdout", "other\n"),), code=3), ANOTHER_TEMPLATE)
            assert (await session.reports.wait_ended(other)).code == 3
            assert session.reports.text(other) == "other\n"
            session.backend.kill_nowait(plain)
            assert (await session.reports.wait_ended(plain)).code == -9

    @in_loop
    async def test_lost_backend_ends_its_containers_and_starts_anew(self, stage: Stage) -> None:
        async with Session(stage) as session:
            containers = [session.start(STAYS) for _ in range(3)]
            for container in containers:
                await session.reports.wait_output(container, "up\n")
            stage.lose()
            await session.reports.wait_until(lambda: session.reports.lost)
            assert [what for what, _ in session.reports.log[-4:]] == ["ended", "ended", "ended", "lost"]
            assert "was lost because" in session.reports.ended[containers[0]].description
            again = session.start(Act(writes=(("stdout", "again\n"),), code=0))
            assert (await session.reports.wait_ended(again)).code == 0
            assert session.reports.text(again) == "again\n"
