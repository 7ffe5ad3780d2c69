"""The watchdog in real containers: blocking code is named where it is, once; nothing else is."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import motet
from motet.client.running_app import RunningApp
from motet.errors import InvalidError
from motet.wire.client_messages import OutputLines
from tests.e2e.conftest import assert_nothing_left, wait_until
from tests.e2e.programs import blocking, poisoned
from tests.e2e.programs.blocking import app

FILE = re.escape(str(Path(blocking.__file__)))


class Warnings:
    """Lines of Motet's own that containers wrote to stderr."""

    def __init__(self, running: RunningApp) -> None:
        self.lines: list[str] = []
        running.on_output(self._take)

    def _take(self, message: OutputLines) -> None:
        self.lines += [line for line in message.lines if line.startswith("motet: ")]

    def wait(self, count: int = 1) -> str:
        wait_until(lambda: len(self.lines) >= count, f"{count} warnings (there are {self.lines})")
        return self.lines[-1]

    def wait_of_one(self, spawn: Callable[[], motet.FunctionCall[None]]) -> str:
        """Call until there is a warning, which names its input: on a busy machine a stall is rather missed than invented."""
        inputs = []
        for _ in range(10):
            call = spawn()
            call.get()
            inputs.append(f"in-{call.object_id[3:]}-0")
            if self.lines:
                break
        told = self.wait()
        assert any(told.startswith(f"motet: {it} of function") for it in inputs), (told, inputs)
        return told


@pytest.fixture
def warnings() -> Iterator[Warnings]:
    with app.run():
        assert app.running is not None
        yield Warnings(app.running)
    assert_nothing_left()


def line_of(text: str) -> int:
    lines = Path(blocking.__file__).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def test_blocked_loop_is_told_once_with_input_place_length_and_neighbours_though_it_happens_thrice(
    warnings: Warnings,
) -> None:
    neighbours = [blocking.in_loop.spawn(0.0) for _ in range(3)]
    first = blocking.in_loop.spawn(1.2)
    first.get()
    told = warnings.wait()
    found = re.match(
        rf"motet: (in-\S+) of function 'in_loop' kept the event loop of its container for (\d+\.\d\d) s, "
        rf"at {FILE}:(\d+), in block; (\d) other inputs waited meanwhile\. Call it as `await asyncio\.to_thread",
        told,
    )
    assert found, told
    assert found[1] == f"in-{first.object_id[3:]}-0"
    assert 0.25 <= float(found[2]) < 8.0
    assert int(found[3]) == line_of("time.sleep(seconds)")
    assert 0 <= int(found[4]) <= 3
    for _ in range(2):
        blocking.in_loop.remote(1.2)
    motet.FunctionCall.gather(*neighbours)
    assert warnings.lines == [told]
    assert blocking.in_loop.get_current_stats().num_total_runners == 1


def test_repeats_are_counted_at_the_end_of_the_container(tmp_path: Path) -> None:
    program = tmp_path / "repeats.py"
    program.write_text(
        "import time\nimport motet\n\napp = motet.App('repeats')\n\n"
        "@app.function()\n@motet.concurrent(max_inputs=2)\nasync def nap():\n    time.sleep(1.0)\n\n"
        "@app.local_entrypoint()\ndef main():\n    [nap.remote() for _ in range(3)]\n"
    )
    command = [sys.executable, "-c", "from motet.cli.main import main; main()", "run", str(program)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert ended.stderr.count("kept the event loop") == 1, ended.stderr
    assert re.search(rf"{re.escape(str(program))}:9, in nap stalled this container [23] times", ended.stderr)


def test_input_is_found_by_a_task_that_it_made(warnings: Warnings) -> None:
    assert ", in block;" in warnings.wait_of_one(lambda: blocking.in_task_of_its_own.spawn(0.8))


def test_thread_that_holds_the_gil_is_found_with_its_input_and_place(warnings: Warnings) -> None:
    neighbours = [blocking.on_thread.spawn(False) for _ in range(2)]
    told = warnings.wait_of_one(lambda: blocking.on_thread.spawn(True))
    assert re.match(
        rf"motet: in-\S+ of function 'on_thread' kept Python's global lock \(GIL\) for \d+\.\d\d s, "
        rf"at {FILE}:({line_of('sum(range(')}|{line_of('still there')}), in hold_gil; "
        r"\d other inputs? waited meanwhile\. Threads do not help",
        told,
    ), told
    motet.FunctionCall.gather(*neighbours)
    assert len(warnings.lines) == 1


@pytest.mark.parametrize("how", ["to_thread", "executor", "Thread"])
def test_input_is_found_by_a_thread_that_it_made(warnings: Warnings, how: str) -> None:
    told = warnings.wait_of_one(lambda: blocking.on_thread_of_its_own.spawn(how))
    assert "(GIL)" in told
    assert ", in hold_gil;" in told


def test_short_steps_threads_that_compute_and_a_busy_machine_are_not_reported(warnings: Warnings) -> None:
    hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        assert len(list(blocking.polite.map([3.0] * 16))) == 16
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()
    assert warnings.lines == []


def test_container_that_was_stopped_for_a_while_is_not_reported(warnings: Warnings) -> None:
    container = blocking.polite.remote(0.0)
    calls = [blocking.polite.spawn(6.0) for _ in range(4)]
    wait_until(lambda: blocking.polite.get_current_stats().num_running_inputs == 4, "4 running inputs")
    time.sleep(0.5)
    os.kill(container, signal.SIGSTOP)
    time.sleep(2.0)
    os.kill(container, signal.SIGCONT)
    motet.FunctionCall.gather(*calls)
    assert warnings.lines == []


def test_threshold_that_is_no_number_is_refused_when_the_container_starts() -> None:
    with app.run(), pytest.raises(InvalidError, match="MOTET_BLOCKED_AFTER is 'soon'"):
        blocking.misconfigured.remote()


# --- those behind code that blocks the loop --------------------------------------------------------------------------------


@pytest.fixture
def poisoned_app() -> Iterator[None]:
    with poisoned.app.run():
        yield
    assert_nothing_left()


def test_an_input_that_never_lets_go_of_the_loop_costs_those_that_had_not_begun_nothing(poisoned_app: None) -> None:
    poisoned.work.remote(1)
    results = list(poisoned.work.map(range(20), return_exceptions=True))
    assert isinstance(results[0], motet.exception.FunctionTimeoutError)
    assert results[1:] == list(range(1, 20))


def test_a_loop_that_turns_again_goes_on_in_its_container(poisoned_app: None) -> None:
    before = poisoned.slow.remote(1)
    assert before == 1
    assert list(poisoned.slow.map(range(20))) == list(range(20))
    assert poisoned.slow.get_current_stats().num_total_runners == 1
