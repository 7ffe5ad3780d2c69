"""The process backend with real processes: what a container finds, and that nothing outlives it."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from motet.backends import templates
from motet.backends.base import NOT_STARTED, Launch
from motet.backends.process import ProcessBackend
from motet.errors import ServiceError
from motet.model.template import TemplateSpec
from tests.backends.conftest import ENTRY, ProcessStage, family_of, template_env, wait_gone
from tests.contracts.backend_contract import (
    ANOTHER_TEMPLATE,
    STAYS,
    Act,
    BackendContract,
    RecordingReports,
    Session,
    in_loop,
)


class TestProcessBackend(BackendContract):
    @pytest.fixture
    def stage(self, tmp_path: Path) -> ProcessStage:
        return ProcessStage(tmp_path)


@in_loop
async def test_container_has_its_own_surroundings(stage: ProcessStage) -> None:
    async with Session(stage) as session:
        env = {"MINE": "ü", "ODD": "\udcff", "TZ": "Etc/GMT-3"}
        launch = stage.entry("ta-x", "tell_surroundings", **env)
        session.backend.start_nowait(launch)
        ended = await session.reports.wait_ended("ta-x")
        assert ended.code == 0, session.reports.text("ta-x", "stderr")
    told = json.loads(session.reports.text("ta-x"))
    assert told["env"] == {os.fsencode(k).hex(): os.fsencode(v).hex() for k, v in launch.env.items()}
    assert "MINE=ü" in told["child_env"]
    assert Path(told["cwd"]).is_relative_to(stage.scratch)
    assert told["files"] == []
    assert told["argv"] == ["motet-container"]
    assert told["is_leader"]
    assert told["descriptors"] == [0, 1, 2, 3], "3 is the listing's own"
    assert told["stdin"] == "/dev/null"
    assert told["utc_offset"] == 3 * 3600
    assert told["handlers"] == [str(signal.SIG_DFL)] * 2
    assert told["threads"] == 1


@in_loop
async def test_line_comes_through_as_soon_as_it_is_written(stage: ProcessStage) -> None:
    async with Session(stage) as session:
        container = session.start(Act(writes=(("stdout", "out\n"), ("stderr", "err\n"))))
        await session.reports.wait_output(container, "out\n")
        await session.reports.wait_output(container, "err\n", "stderr")
        assert container not in session.reports.ended


@in_loop
async def test_output_larger_than_a_pipe_is_complete(stage: ProcessStage) -> None:
    async with Session(stage) as session:
        session.backend.start_nowait(stage.entry("ta-x", "write_much", 3_000_000))
        await session.reports.wait_ended("ta-x")
    assert len(session.reports.text("ta-x")) == 3_000_000


@pytest.mark.parametrize(
    ("entry", "code", "description"),
    [
        (("call_exit", 3), 3, "exited with status 3"),
        (("fail",), 70, "exited with status 70"),
        (("die_of", signal.SIGSEGV), -11, "was killed by signal 11 (SIGSEGV)"),
        (("die_of", signal.SIGTERM), -15, "was killed by signal 15 (SIGTERM)"),
    ],
)
def test_ways_to_end_are_described(stage: ProcessStage, entry: tuple[str, int], code: int, description: str) -> None:
    @in_loop
    async def scenario() -> None:
        async with Session(stage) as session:
            session.backend.start_nowait(stage.entry("ta-x", *entry))
            ended = await session.reports.wait_ended("ta-x")
        assert (ended.code, ended.description) == (code, description)
        assert ("RuntimeError: this escapes" in session.reports.text("ta-x", "stderr")) == (entry[0] == "fail")

    scenario()


@in_loop
async def test_exit_hooks_run(stage: ProcessStage) -> None:
    async with Session(stage) as session:
        session.backend.start_nowait(stage.entry("ta-x", "run_atexit"))
        await session.reports.wait_ended("ta-x")
    assert session.reports.text("ta-x") == "left in order\n"


@in_loop
async def test_kill_reaches_subprocesses_and_daemons(stage: ProcessStage) -> None:
    async with Session(stage) as session:
        session.backend.start_nowait(stage.entry("ta-x", "spawn"))
        other = session.start(STAYS)
        pids = await family_of(session, "ta-x")
        await session.reports.wait_output(other, "up\n")
        session.backend.kill_nowait("ta-x")
        assert (await session.reports.wait_ended("ta-x")).code == -9
        wait_gone(pids)
        assert other not in session.reports.ended


@in_loop
async def test_what_a_container_leaves_behind_ends_with_it_and_does_not_delay_its_end(stage: ProcessStage) -> None:
    async with Session(stage) as session:
        session.backend.start_nowait(stage.entry("ta-x", "leave_behind", 4))
        assert (await session.reports.wait_ended("ta-x")).code == 4
        wait_gone(await family_of(session, "ta-x"))


@in_loop
async def test_nothing_of_a_container_is_left_when_the_template_is_killed(stage: ProcessStage) -> None:
    async with Session(stage) as session:
        session.backend.start_nowait(stage.entry("ta-x", "spawn"))
        container, child, daemon = await family_of(session, "ta-x")
        stage.lose()
        ended = await session.reports.wait_ended("ta-x")
        assert "the template process" in ended.description
        assert ended.blameless
        wait_gone([container, child])
        # Documented: with the template dead, nobody is left to whom a daemon of its own session belongs.
        os.kill(daemon, signal.SIGKILL)


def in_another(launch: Launch) -> Launch:
    return replace(launch, template=ANOTHER_TEMPLATE)


@in_loop
async def test_containers_are_forked_from_the_template_of_their_launch(stage: ProcessStage) -> None:
    async with Session(stage) as session:
        for container_id in ("ta-1", "ta-2"):
            session.backend.start_nowait(stage.entry(container_id, "tell_template", "KIND"))
        for container_id in ("ta-3", "ta-4"):
            session.backend.start_nowait(in_another(stage.entry(container_id, "tell_template", "KIND")))
        for n in range(1, 5):
            await session.reports.wait_ended(f"ta-{n}")
        told = [json.loads(session.reports.text(f"ta-{n}")) for n in range(1, 5)]
        assert told[0] == told[1]
        assert told[2] == told[3]
        assert [kind for _, kind in told[1:3]] == [None, "another"]
        assert {pid for pid, _ in told} == set(stage.process_backend.templates)


@in_loop
async def test_template_that_is_lost_takes_its_own_containers_alone(stage: ProcessStage) -> None:
    async with Session(stage) as session:
        plain = session.start(STAYS)
        session.backend.start_nowait(in_another(stage.entry("ta-x", "tell_template_and_stay")))
        await session.reports.wait_output(plain, "up\n")
        await session.reports.wait_output("ta-x", "\n")
        os.kill(json.loads(session.reports.text("ta-x")), signal.SIGKILL)
        ended = await session.reports.wait_ended("ta-x")
        assert "the template process" in ended.description
        assert ended.blameless
        await session.reports.wait_until(lambda: session.reports.lost)
        again = session.start(Act(code=4), ANOTHER_TEMPLATE)
        assert (await session.reports.wait_ended(again)).code == 4
        assert plain not in session.reports.ended


@in_loop
async def test_template_that_nobody_needs_is_ended_and_the_plain_one_is_kept(
    stage: ProcessStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(templates, "IDLE_WINDOW", 0.0)
    async with Session(stage) as session:
        plain = stage.template
        for _ in range(2):
            container = session.start(Act(code=0), ANOTHER_TEMPLATE)
            await session.reports.wait_ended(container)
            await session.reports.wait_until(lambda: session.reports.log[-1][0] == "idle")
            assert "it had no container for 0 s" in str(session.reports.log[-1][1])
            assert stage.process_backend.templates == (plain,)
        assert session.reports.lost == []
        assert len(list(stage.scratch.glob("*/*"))) == 1


@in_loop
async def test_interpreter_of_another_template_that_does_not_exist_ends_its_start(stage: ProcessStage) -> None:
    async with Session(stage) as session:
        ended = await session.reports.wait_ended(session.start(STAYS, TemplateSpec(python="/no/such/python")))
        assert ended.code == NOT_STARTED
        assert "/no/such/python" in ended.description


@in_loop
async def test_template_told_to_end_takes_its_containers_along(stage: ProcessStage) -> None:
    async with Session(stage) as session:
        session.backend.start_nowait(stage.entry("ta-x", "spawn"))
        pids = await family_of(session, "ta-x")
        os.kill(stage.template, signal.SIGTERM)
        await session.reports.wait_until(lambda: session.reports.lost)
        assert session.reports.ended["ta-x"].code == -9
        assert session.reports.ended["ta-x"].blameless
        wait_gone(pids)
        again = session.start(Act(code=0))
        assert (await session.reports.wait_ended(again)).code == 0


@in_loop
async def test_requests_larger_than_the_socket_are_sent_without_blocking(stage: ProcessStage) -> None:
    async with Session(stage) as session:
        os.kill(stage.template, signal.SIGSTOP)
        for n in range(64):
            launch = stage.entry(f"ta-{n}", "act", (("stdout", f"{n}\n"),), 0, BIG="x" * 50_000)
            session.backend.start_nowait(launch)
        os.kill(stage.template, signal.SIGCONT)
        await session.reports.wait_until(lambda: len(session.reports.ended) == 64)
    assert [session.reports.text(f"ta-{n}") for n in range(64)] == [f"{n}\n" for n in range(64)]


@in_loop
async def test_close_in_the_middle_of_sixty_four_starts_ends_all(stage: ProcessStage) -> None:
    async with Session(stage) as session:
        for n in range(64):
            session.backend.start_nowait(
                stage.entry(f"ta-{n}", "wait", BIG="x" * 20_000) if n else stage.entry("ta-0", "spawn")
            )
        pids = await family_of(session, "ta-0")
        await session.backend.close()
        assert len(session.reports.ended) == 64
        wait_gone(pids)


@in_loop
async def test_directories_go_with_their_containers_and_the_scratch_with_the_backend(stage: ProcessStage) -> None:
    async with Session(stage) as session:
        [scratch] = stage.scratch.glob("*/*")
        session.backend.start_nowait(stage.entry("ta-full", "fill_directory"))
        empty = session.start(Act(code=0))
        await session.reports.wait_ended("ta-full")
        await session.reports.wait_ended(empty)
        assert {each.name for each in scratch.iterdir()} <= {
            "1",
            "s1",
        }  # the full one may take longer, and a spare has one
        session.start(STAYS)
    assert list(stage.scratch.iterdir()) == []


@in_loop
async def test_descriptors_do_not_leak(stage: ProcessStage) -> None:
    async with Session(stage) as session:
        await session.reports.wait_ended(session.start(Act(code=0)))
        before = len(os.listdir("/proc/self/fd"))
        for container in [session.start(Act(code=0)) for _ in range(20)]:
            await session.reports.wait_ended(container)
        assert len(os.listdir("/proc/self/fd")) == before
        assert len(os.listdir(f"/proc/{stage.template}/fd")) < 10


@in_loop
async def test_interpreter_that_does_not_exist_is_refused_at_open(tmp_path: Path) -> None:
    backend = ProcessBackend(env={}, python="/no/such/python", scratch=tmp_path, entry=ENTRY)
    with pytest.raises(ServiceError, match="/no/such/python"):
        await backend.open(RecordingReports())
    await backend.close()
    assert os.listdir(tmp_path) == []


@in_loop
async def test_template_that_cannot_import_its_entry_ends_every_start(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    stage = ProcessStage(tmp_path)
    stage.backend = ProcessBackend(env=template_env(), python=sys.executable, scratch=tmp_path, entry="no_such:main")
    async with Session(stage) as session:
        ended = await session.reports.wait_ended(session.start(STAYS))
        assert ended.description.endswith("exited with status 1")
        await session.reports.wait_until(lambda: session.reports.lost)
    assert "No module named 'no_such'" in capfd.readouterr().err


@in_loop
async def test_backend_that_was_never_opened_can_be_closed(stage: ProcessStage) -> None:
    await stage.backend.close()
