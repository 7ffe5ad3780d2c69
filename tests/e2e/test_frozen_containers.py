"""SIGSTOP to a container: it gets nothing new, and if it stays frozen its inputs run elsewhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import motet
from tests.e2e.conftest import Gate, assert_nothing_left, container_states, wait_until
from tests.e2e.programs.leaving import InTasks, app


def frozen_with_two(gate: Gate, worker: InTasks) -> tuple[int, list[motet.FunctionCall[int]]]:
    """A container that was frozen with two inputs and room for a third, and their calls."""
    calls = [worker.hold.spawn(gate.path, number) for number in range(2)]
    gate.wait_held(2)
    (container,) = {int(name.rpartition("-")[2]) for name in gate.held}
    os.kill(container, signal.SIGSTOP)
    wait_until(lambda: "frozen" in container_states(app), "the report that it is frozen")
    return container, calls


def test_inputs_of_a_container_that_stays_frozen_run_elsewhere(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTET_FREEZE_GRACE", "2")
    with app.run():
        worker = InTasks(notes=str(tmp_path))
        container, calls = frozen_with_two(gate, worker)
        calls.append(worker.hold.spawn(gate.path, 99))
        gate.wait_held(3)
        gate.open()
        results = motet.FunctionCall.gather(*calls)
        assert len(results) == 3
        assert container not in results
        wait_until(lambda: not os.path.exists(f"/proc/{container}"), "its end")
    assert_nothing_left()


def test_container_that_thaws_in_time_goes_on_with_its_inputs(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTET_FREEZE_GRACE", "60")
    with app.run():
        worker = InTasks(notes=str(tmp_path))
        container, calls = frozen_with_two(gate, worker)
        os.kill(container, signal.SIGCONT)
        wait_until(lambda: "frozen" not in container_states(app), "the report that it has thawed")
        gate.open()
        assert motet.FunctionCall.gather(*calls) == [container] * 2
        assert worker.hold.remote(gate.path, 99) == container
        assert len(gate.held) == 3, "no input ran twice"
    assert_nothing_left()


@pytest.mark.parametrize("who", ["alone", "all"])
def test_a_program_that_stood_still_fails_no_input(who: str) -> None:
    """Alone: its containers ran on, and what they finished meanwhile is heard before the time. All: nothing ran meanwhile."""
    program = Path(__file__).parent / "programs" / "standing_still.py"
    done = subprocess.run([sys.executable, program, who, "3"], check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.split()) == (0, ["10", "10"]), done.stderr
