"""`motet logs`, `call`, `app`, `container`, `function` and `top`, about a program that another process runs or ran."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from motet.call_graph import InputInfo, InputStatus

from .conftest import Gate, assert_nothing_left, wait_until
from .programs import cli_views

MOTET = [sys.executable, "-c", "from motet.cli.main import main; main()"]
ROOT = Path(__file__).parents[2]


class Program:
    """The program under `programs/cli_views.py`, in a process and with a home of its own."""

    def __init__(self, home: Path) -> None:
        self.env = {**os.environ, "MOTET_HOME": str(home), "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.programs.cli_views"],
            cwd=ROOT,
            env=self.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in: IO[str] = self._process.stdin
        self._out: IO[str] = self._process.stdout
        assert self._out.readline() == "running\n"

    def spawn(self, *words: object) -> str:
        """Have it make a call; its id."""
        self._in.write(" ".join(map(str, words)) + "\n")
        self._in.flush()
        return self._out.readline().strip()

    def end(self) -> int:
        """Its exit status once it has ended in order."""
        self._in.close()
        status = self._process.wait(30)
        self._out.close()
        return status

    def motet(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command of another process."""
        return subprocess.run(
            [*MOTET, *arguments],
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def ask(self, *arguments: str) -> Any:
        """What it says as JSON."""
        done = self.motet(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def wait_for(self, condition: Callable[[Any], bool], *arguments: str) -> Any:
        """What it says once that is so: what has just happened is kept a moment later."""

        def look() -> Any:
            done = self.motet(*arguments, "--json")
            return json.loads(done.stdout) if done.returncode == 0 and condition(json.loads(done.stdout)) else None

        # Each look starts a process, as does what it waits for.
        return wait_until(look, " ".join(arguments), timeout=60.0)

    def wait_ended(self, call_id: str) -> Any:
        """A call's first input, ended."""
        return self.wait_for(lambda found: found["ended_at"] is not None, "call", input_of(call_id))


def input_of(call_id: str, index: int = 0) -> str:
    return f"in-{call_id[3:]}-{index}"


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    started = Program(tmp_path / "home")
    yield started
    assert started.end() == 0
    assert_nothing_left()


def test_an_input_is_found_by_what_it_printed_and_its_lines_are_its_own(program: Program, gate: Gate) -> None:
    calls = {name: program.spawn("hold", gate.path, name) for name in ("a", "b", "c")}
    gate.wait_held(3)
    mine = input_of(calls["b"])
    wait_until(lambda: program.motet("logs", "--search", mine).stdout == f"b is {mine}\n", "the line with its id")
    gate.open()
    program.wait_ended(calls["b"])
    lines = program.motet("logs", "--input", mine, "--show-input-id").stdout.splitlines()
    assert lines == [f"{mine} b is {mine}", f"{mine} b is through"]
    assert program.motet("logs", "--function-call", calls["c"], "--tail", "1").stdout == "c is through\n"


def test_follow_shows_lines_while_inputs_run_and_ends_with_the_run(tmp_path: Path, gate: Gate) -> None:
    program = Program(tmp_path / "home")
    call_id = program.spawn("hold", gate.path, "a")
    other = program.spawn("hold", gate.path, "other")
    gate.wait_held(2)
    follower = subprocess.Popen(
        [*MOTET, "app", "logs", "viewed", "-f", "--search", "a is"],
        env=program.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert follower.stdout is not None
    assert follower.stderr is not None
    assert follower.stdout.readline() == f"a is {input_of(call_id)}\n"
    gate.open()
    assert follower.stdout.readline() == "a is through\n"
    assert program.end() == 0
    assert follower.wait(30) == 0
    assert follower.stdout.read() == ""
    assert "any more" in follower.stderr.read()
    follower.stdout.close()
    follower.stderr.close()
    assert program.ask("call", input_of(other))["state"] == "success"


def test_retries_and_redeliveries_are_bars_of_their_own(program: Program, tmp_path: Path) -> None:
    failing, dying = program.spawn("fail_once", tmp_path / "f"), program.spawn("die_once", tmp_path / "d")
    tried = program.wait_ended(failing)
    assert [each["outcome"] for each in tried["attempts"]] == ["failure", "success"]
    assert tried["phases"]["delayed"] >= 0.9
    redelivered = program.wait_ended(dying)
    assert [each["outcome"] for each in redelivered["attempts"]] == ["lost", "success"]
    assert len({each["container_id"] for each in redelivered["attempts"]}) == 2
    for found in (tried, redelivered):
        assert sum(found["phases"].values()) == pytest.approx(found["seconds"], abs=1e-3)
    text = program.motet("call", redelivered["input_id"]).stdout
    assert [line.split()[:2] for line in text.splitlines() if line.startswith("attempt")] == [
        ["attempt", "1"],
        ["attempt", "2"],
    ]


def test_nested_calls_form_a_tree(program: Program) -> None:
    call_id = program.spawn("nested", 3)
    found = program.wait_ended(call_id)
    names = []
    while found["calls"]:
        (call,) = found["calls"]
        names.append((call["function_name"], len(call["inputs"])))
        found = call["inputs"][0]
    assert names == [("nested", 1), ("nested", 1), ("leaf", 2)]
    text = program.motet("call", input_of(call_id)).stdout
    assert text.count("nested  in-") == 2
    assert "2 success" in text


def test_what_runs_now_is_listed_and_a_container_stopped_gives_its_inputs_away(program: Program, gate: Gate) -> None:
    call_id = program.spawn("hold", gate.path, "a")
    gate.wait_held(1)
    (app,) = program.ask("app", "list")
    assert (app["name"], app["state"], app["running_inputs"]) == ("viewed", "running", 1)
    (container,) = program.ask("container", "list", "--app", "viewed")
    assert (container["function_name"], container["state"], container["running_inputs"]) == ("hold", "ready", 1)
    (row,) = program.ask("function", "calls", "hold")
    assert (row["status"], row["container_id"]) == ("running", container["container_id"])
    (top,) = [it for it in program.ask("top")["functions"] if it["name"] == "hold"]
    assert top["running_inputs"] == 1
    assert program.ask("call", input_of(call_id))["state"] == "running"

    refused = program.motet("container", "stop", container["container_id"])
    assert (refused.returncode, "add --yes" in refused.stderr) == (1, True)
    stopped = program.motet("container", "stop", "-y", container["container_id"])
    assert stopped.returncode == 0, stopped.stderr
    program.wait_for(
        lambda found: [it["container_id"] != container["container_id"] for it in found] == [True], "container", "list"
    )
    gate.open()
    found = program.wait_ended(call_id)
    assert [each["outcome"] for each in found["attempts"]] == ["lost", "success"]


def test_a_container_stopped_gracefully_finishes_its_inputs(program: Program, gate: Gate) -> None:
    call_id = program.spawn("hold", gate.path, "a")
    gate.wait_held(1)
    (container,) = program.ask("container", "list")
    assert program.motet("container", "stop", "--graceful", "-y", container["container_id"]).returncode == 0
    program.wait_for(lambda found: found[0]["state"] != "ready", "container", "list")
    gate.open()
    found = program.wait_ended(call_id)
    assert [each["outcome"] for each in found["attempts"]] == ["success"]


def test_a_command_beside_a_container_has_its_directory_and_environment(program: Program, gate: Gate) -> None:
    program.spawn("hold", gate.path, "a")
    gate.wait_held(1)
    (container,) = program.ask("container", "list")
    command = "import os; print(os.environ['MOTET_CONTAINER_ID'], os.getcwd()); raise SystemExit(3)"
    done = program.motet("container", "exec", container["container_id"], "--", sys.executable, "-c", command)
    assert done.stdout.split() == [container["container_id"], str(ROOT)]
    assert done.returncode == 3
    missing = program.motet("container", "exec", container["container_id"], "no-such-command")
    assert (missing.returncode, missing.stderr) == (
        2,
        "Error: there is no command 'no-such-command' in the container's PATH\n",
    )
    gate.open()


def test_top_keeps_itself_up_to_date_and_q_ends_it(program: Program, gate: Gate) -> None:
    terminal, other_end = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 120, 0, 0))
    top = subprocess.Popen([*MOTET, "top"], env={**program.env, "TERM": "xterm"}, stdin=other_end, stdout=other_end)
    os.close(other_end)
    shown = bytearray()
    reader = threading.Thread(target=_read_all, args=(terminal, shown))
    reader.start()
    wait_until(lambda: b"No app runs" in shown or b"not used yet" in shown, "the first view")
    program.spawn("hold", gate.path, "a")
    wait_until(lambda: b"1 running" in shown, "the input in the view")
    os.write(terminal, b"q")
    assert top.wait(30) == 0
    reader.join()
    assert shown.endswith(b"\x1b[?1049l")
    os.close(terminal)
    gate.open()


def _read_all(descriptor: int, into: bytearray) -> None:
    with contextlib.suppress(OSError):  # the other end is closed
        while data := os.read(descriptor, 65536):
            into += data


def test_ctrl_c_ends_follow_with_130_and_a_reader_that_is_gone_ends_it_quietly(program: Program, gate: Gate) -> None:
    program.spawn("hold", gate.path, "a")
    gate.wait_held(1)
    follower = subprocess.Popen([*MOTET, "logs", "-f"], env=program.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert follower.stdout is not None
    assert follower.stdout.readline().startswith(b"a is in-")
    follower.send_signal(signal.SIGINT)
    assert follower.communicate(timeout=60) == (b"", b"")
    assert follower.returncode == 130

    with subprocess.Popen(
        [*MOTET, "logs", "-f"], env=program.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as leaving:
        assert leaving.stdout is not None
        assert leaving.stdout.readline().startswith(b"a is in-")
        leaving.stdout.close()
        gate.open()
        leaving.wait(30)
        assert leaving.stderr is not None
        assert leaving.stderr.read() == b""


def test_a_call_is_cancelled(program: Program, gate: Gate) -> None:
    call_id = program.spawn("hold", gate.path, "a")
    gate.wait_held(1)
    assert "1 running" in program.motet("call", call_id).stdout
    assert program.motet("call", "cancel", call_id, "-y").returncode == 0
    assert program.wait_ended(call_id)["state"] == "cancelled"


def test_bounds_of_a_pool_are_shown_and_changed(program: Program) -> None:
    settings = ("function", "autoscaler", "settings", "hold")
    shown = program.wait_for(lambda found: found["max_containers"] == 1, *settings)
    assert shown["last_decision"] == "0 inputs at 10 each want 0"
    changed = program.ask("function", "autoscaler", "update", "hold", "--min-containers", "1", "--max-containers", "2")
    assert (changed["min_containers"], changed["max_containers"]) == (1, 2)
    program.wait_for(lambda found: len(found) == 1, "container", "list")
    refused = program.motet("function", "autoscaler", "update", "hold", "--min-containers", "3")
    assert refused.returncode == 2
    assert "cannot be greater than `max_containers` (2)" in refused.stderr


def test_an_app_is_stopped_and_its_program_ends_in_order(program: Program, gate: Gate) -> None:
    call_id = program.spawn("hold", gate.path, "a")
    gate.wait_held(1)
    done = program.motet("app", "stop", "viewed", "-y")
    assert done.returncode == 0, done.stderr
    assert program.ask("container", "list") == []
    assert program.wait_ended(call_id)["state"] == "cancelled"


def test_a_run_that_has_ended_is_still_there(tmp_path: Path, gate: Gate) -> None:
    program = Program(tmp_path / "home")
    gate.open()
    call_id = program.spawn("hold", gate.path, "a")
    nested = program.spawn("nested", 2)
    program.wait_ended(nested)
    program.wait_ended(call_id)
    assert program.end() == 0
    (app,) = program.ask("app", "list")
    assert (app["state"], app["containers"]) == ("ended", None)
    assert program.ask("call", input_of(call_id))["state"] == "success"
    assert program.ask("function", "stats", "hold")["inputs"] == {"success": 1}
    assert program.motet("logs", "--function", "nested").stdout.splitlines() == ["depth 2", "depth 1"]
    refused = program.motet("app", "stop", "viewed", "-y")
    assert (refused.returncode, "does not run any more" in refused.stderr) == (1, True)


def test_a_program_sees_the_graph_of_its_call(gate: Gate) -> None:
    with cli_views.app.run():
        held = cli_views.hold.spawn(gate.path, "a")
        gate.wait_held(1)
        (running,) = held.get_call_graph()
        assert (running.status, running.input_id) == (InputStatus.PENDING, input_of(held.object_id))
        gate.open()
        held.get()
        (done,) = held.get_call_graph()
        assert (done.status, done.task_id) == (InputStatus.SUCCESS, running.task_id)

        call = cli_views.nested.spawn(2)
        call.get()
        (top,) = call.get_call_graph()
        assert shape(top) == ("nested", [("nested", [("leaf", []), ("leaf", [])])])
        assert top.children[0].children[1].input_id.endswith("-1")
    assert_nothing_left()


def shape(info: InputInfo) -> tuple[str, list[Any]]:
    assert info.status is InputStatus.SUCCESS
    return info.function_name, [shape(each) for each in info.children]
