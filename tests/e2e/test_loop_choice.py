"""Which event loop a container runs."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import logged
from tests.e2e.programs import loop_policy, nested_loop


def test_a_program_that_runs_its_running_loop_again_can() -> None:
    pytest.importorskip("nest_asyncio")
    with nested_loop.app.run():
        assert nested_loop.run_within.remote() == "inner"


def test_a_container_runs_uvloop_unless_its_program_sets_a_policy_and_then_says_so_once() -> None:
    with loop_policy.app.run():
        app_id = loop_policy.app.app_id
        assert loop_policy.loop.remote() == "uvloop"
        assert list(loop_policy.loop_under_policy.starmap([()] * 4)) == ["asyncio"] * 4
    (line,) = logged(app_id)
    assert line.function_name == "loop_under_policy"
    assert line.text.endswith("instead of uvloop, because the program has set an event loop policy.")
