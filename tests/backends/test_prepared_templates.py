"""Templates of the process backend that import something before they fork."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from motet.backends import templates
from motet.backends.base import Launch
from motet.model.template import TemplateSpec
from motet.wire.template import Preload, encode_preload
from tests.backends.conftest import ProcessStage
from tests.contracts.backend_contract import STAYS, Act, Session, in_loop

ENDS = Act(code=0)


def importing(*what: str, variable: str = "") -> TemplateSpec:
    """The template that plays this (see `tests.backends.entries.Played`) before it forks."""
    env = ((b"PATH", os.environb[b"PATH"]), (b"VARIABLE", variable.encode()))
    return TemplateSpec(preload=encode_preload(Preload(json.dumps(what).encode(), env)))


def is_up(session: Session, container: str) -> bool:
    return session.reports.text(container).endswith("up\n")


@in_loop
async def test_what_is_imported_once_is_there_in_every_container_and_its_output_in_the_first(
    stage: ProcessStage,
) -> None:
    async with Session(stage) as session:
        spec = importing("imports", "imported")
        first, second = session.start(ENDS, spec), session.start(ENDS, spec)
        for container in (first, second):
            assert (await session.reports.wait_ended(container)).code == 0
        third = session.start(ENDS, spec)
        await session.reports.wait_ended(third)
        text, *others = [session.reports.text(container) for container in (first, second, third)]
        assert text == f"imported\n{others[0]}"
        assert others[0] == others[1]
        (plain, prepared) = sorted(stage.process_backend.templates)
        assert others[0] in (f"made in {prepared}\n", f"made in {plain}\n")


@in_loop
async def test_containers_begin_elsewhere_if_nothing_can_be_forked_from_what_was_imported(stage: ProcessStage) -> None:
    async with Session(stage) as session:
        plain, spec = stage.template, importing("cannot", "it has a thread.")
        waiting = [session.start(STAYS, spec) for _ in range(2)]
        await session.reports.wait_until(lambda: all(is_up(session, container) for container in waiting))
        assert session.reports.text(waiting[0]) == "tried\nup\n"
        said = session.reports.text(waiting[0], "stderr")
        assert said == "motet: no memory snapshot can be made, and containers start without one: it has a thread.\n"
        assert session.reports.text(waiting[1], "stderr") == ""
        later = session.start(STAYS, spec)
        await session.reports.wait_until(lambda: is_up(session, later))
        assert session.reports.text(later) == "up\n"
        await session.reports.wait_until(lambda: stage.process_backend.templates == (plain,))
        assert session.reports.lost == []


@in_loop
async def test_a_container_that_waits_for_an_import_can_be_killed_and_others_wait_on(stage: ProcessStage) -> None:
    async with Session(stage) as session:
        plain, spec = stage.template, importing("hangs")
        first, second = session.start(STAYS, spec), session.start(STAYS, spec)
        await session.reports.wait_output(first, "begun\n")
        session.backend.kill_nowait(first)
        assert (await session.reports.wait_ended(first)).code == -signal.SIGKILL
        assert second not in session.reports.ended
        assert len(stage.process_backend.templates) == 2
        session.backend.kill_nowait(second)
        assert (await session.reports.wait_ended(second)).code == -signal.SIGKILL
        # Nobody waits for it any more.
        await session.reports.wait_until(lambda: stage.process_backend.templates == (plain,))
        assert session.reports.lost == []


@in_loop
async def test_close_does_not_wait_for_an_import(stage: ProcessStage) -> None:
    async with Session(stage) as session:
        container = session.start(STAYS, importing("hangs"))
        await session.reports.wait_output(container, "begun\n")
    assert session.reports.ended[container].code == -signal.SIGKILL


@in_loop
async def test_an_import_that_ends_the_process_ends_those_that_wait_for_it(stage: ProcessStage) -> None:
    async with Session(stage) as session:
        ended = await session.reports.wait_ended(session.start(STAYS, importing("dies")))
        assert ended.description.endswith("exited with status 3")
        assert not ended.blameless
        await session.reports.wait_until(lambda: session.reports.lost)


@in_loop
async def test_an_import_that_fails_is_told_by_those_that_wait_and_is_tried_again(stage: ProcessStage) -> None:
    async with Session(stage) as session:
        spec, made_in = importing("fails"), []
        for _ in range(2):
            container = session.start(ENDS, spec)
            assert (await session.reports.wait_ended(container)).code == 0
            made_in.append(session.reports.text(container))
        assert made_in[0] != made_in[1]
        assert session.reports.lost == []


@in_loop
async def test_of_too_many_the_one_that_was_not_used_for_longest_goes(
    stage: ProcessStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(templates, "MOST_PREPARED", 2)
    async with Session(stage) as session:
        specs = [importing("imports", name) for name in ("a", "b", "c", "d")]

        async def is_new(spec: TemplateSpec) -> bool:
            container = session.start(ENDS, spec)
            await session.reports.wait_ended(container)
            return not session.reports.text(container).startswith("made in")

        assert [await is_new(specs[number]) for number in (0, 1, 0, 2, 0, 1)] == [True, True, False, True, False, True]
        # In use, they stay: then a container begins without.
        busy = [session.start(STAYS, specs[number]) for number in (0, 1)]
        await session.reports.wait_until(lambda: all(is_up(session, container) for container in busy))
        without = session.start(STAYS, specs[3])
        await session.reports.wait_until(lambda: is_up(session, without))
        assert session.reports.text(without) == "up\n"


@in_loop
async def test_its_environment_is_that_of_the_function_and_no_more(stage: ProcessStage, tmp_path: Path) -> None:
    async with Session(stage) as session:
        spec = importing("imports", "a", variable="mine")
        other = importing("imports", "a", variable="yours")
        launch: Launch = stage.entry("ta-x", "tell_surroundings")
        session.backend.start_nowait(replace(launch, template=spec))
        session.backend.start_nowait(replace(stage.entry("ta-y", "tell_surroundings"), template=other))
        for container in ("ta-x", "ta-y"):
            assert (await session.reports.wait_ended(container)).code == 0
        assert len(stage.process_backend.templates) == 3
        imported, _, told = session.reports.text("ta-x").splitlines()
        assert imported == "a"
        found = json.loads(told)
        assert found["env"] == {os.fsencode(k).hex(): os.fsencode(v).hex() for k, v in launch.env.items()}
        assert found["descriptors"] == [0, 1, 2, 3], "3 is the listing's own"
        assert found["handlers"] == [str(signal.SIG_DFL)] * 2
        assert found["threads"] == 1
