"""`motet run` as users have it: a process of its own, on real files, with real containers."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROGRAM = '''
from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time

import motet

app = motet.App("demo")


@app.function()
@motet.concurrent(max_inputs=20)
async def double(x: int, fail: bool = False, nap: float = 0) -> int:
    """Doubles x."""
    print("doubling", x)
    print("to stderr", x, file=sys.stderr)
    if fail:
        raise ValueError(f"no {x}")
    await asyncio.sleep(nap)
    return x * 2


@app.function()
def items(count: int):
    for number in range(count):
        yield {"number": number}


@app.function()
def text() -> str:
    return "grüße"


@app.function()
def nothing() -> None: ...


@app.function()
def quits(status: int) -> None:
    sys.exit(status)


@app.cls()
class Model:
    size: int = motet.parameter(default=1)
    name: str = motet.parameter()

    @motet.method()
    def ask(self, prompt: str) -> str:
        return f"{self.name}{self.size}: {prompt}"


@app.local_entrypoint()
def main(count: int = 3) -> None:
    print("sum", sum(double.map(range(count))))


@app.local_entrypoint()
async def waiting(count: int = 3) -> str:
    """Waits for it."""
    print(await double.remote.aio(count))
    return "not printed"


@app.local_entrypoint()
def fails() -> None:
    double.remote(1, fail=True)


@app.local_entrypoint()
def leaves(status: int) -> None:
    sys.exit(status)


@app.local_entrypoint()
def raw(*args: str) -> None:
    print(args)


@app.local_entrypoint()
def prints_much() -> None:
    for number in range(100_000):
        print(number)


@app.cls()
class Closing:
    @motet.method()
    def work(self) -> None:
        print("working", file=sys.stderr, flush=True)
        time.sleep(600)

    @motet.exit()
    def close(self) -> None:
        time.sleep(1.0)
        print("exit hook ran", file=sys.stderr, flush=True)


@app.local_entrypoint()
def closes() -> None:
    Closing().work.remote()


@app.local_entrypoint()
def slow_lines() -> None:
    print("first")
    time.sleep(600)


@app.local_entrypoint()
def stuck() -> None:
    double.remote(1, nap=600)


@app.local_entrypoint()
async def stuck_async() -> None:
    try:
        await double.remote.aio(1, nap=600)
    finally:
        print("cleaned up")


@app.local_entrypoint()
def stubborn() -> None:
    while True:
        with contextlib.suppress(KeyboardInterrupt):
            print("working", file=sys.stderr, flush=True)
            time.sleep(600)
'''

MOTET = [sys.executable, "-c", "from motet.cli.main import main; main()"]


pytestmark = pytest.mark.usefixtures("either")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("program")
    (directory / "work.py").write_text(PROGRAM)
    package = directory / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "parts.py").write_text("FACTOR = 3\n")
    (package / "work.py").write_text(
        "import motet\nfrom .parts import FACTOR\n\napp = motet.App('demo')\n\n"
        "@app.function()\ndef triple(x: int):\n    return x * FACTOR\n"
    )
    return directory


def run(directory: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MOTET, "run", *argv], cwd=directory, capture_output=True, text=True, timeout=60, check=False
    )


class Started:
    """A `motet run` under way."""

    def __init__(self, directory: Path, *argv: str) -> None:
        self.process = subprocess.Popen(
            [*MOTET, "run", *argv], cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def wait_line(self, text: str) -> None:
        """Reads stderr up to a line that contains `text`; fails if there is none before it ends."""
        assert self.process.stderr is not None
        assert any(text in line for line in self.process.stderr), f"no line with {text!r}"

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def wait_end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


def test_entrypoint_prints_to_stdout_and_containers_with_prefix_to_stderr(directory: Path) -> None:
    done = run(directory, "work.py::main", "--count", "4")
    assert (done.returncode, done.stdout) == (0, "sum 12\n")
    assert re.search(r"^double \w{5} \| doubling 3$", done.stderr, re.MULTILINE)
    assert re.search(r"^double \w{5} \| to stderr 3$", done.stderr, re.MULTILINE)
    assert re.search(
        r"^double: 4 inputs in \d+ containers? in .* \([\d,.]+ inputs/s, 0 failed\)$", done.stderr, re.MULTILINE
    )
    assert "\x1b" not in done.stderr


def test_quiet_shows_the_programs_own_prints_only(directory: Path) -> None:
    done = run(directory, "-q", "work.py::main")
    assert (done.returncode, done.stdout, done.stderr) == (0, "sum 6\n", "")


def test_timestamps_stand_before_container_lines(directory: Path) -> None:
    done = run(directory, "--timestamps", "work.py::main")
    assert re.search(r"^\d\d:\d\d:\d\d\.\d{3} double \w{5} \| doubling 1$", done.stderr, re.MULTILINE)


def test_async_entrypoint_runs(directory: Path) -> None:
    done = run(directory, "work.py::waiting", "--count", "5")
    assert (done.returncode, done.stdout) == (0, "10\n")


@pytest.mark.parametrize(
    ("argv", "out"),
    [
        (["work.py::double", "--x", "4"], "8\n"),
        (["work.py::items", "--count", "2"], "{'number': 0}\n{'number': 1}\n"),
        (["work.py::nothing"], ""),
        (["work.py::Model.ask", "--name", "m", "--size", "7", "--prompt", "hi"], "'m7: hi'\n"),
        (["work.py::Model", "--name", "m", "--prompt", "hi"], "'m1: hi'\n"),
        (["-m", "package.work", "--x", "4"], "12\n"),
        (["-m", "package.work::triple", "--x", "5"], "15\n"),
        (["work.py::raw", "train", "--lr", "1", "-v"], "('train', '--lr', '1', '-v')\n"),
    ],
)
def test_result_is_printed(directory: Path, argv: list[str], out: str) -> None:
    done = run(directory, *argv)
    assert (done.returncode, done.stdout) == (0, out), done.stderr


@pytest.mark.parametrize(
    ("argv", "content"),
    [
        (["work.py::text"], "grüße"),
        (["work.py::waiting"], "not printed"),
    ],
)
def test_result_is_written_instead(directory: Path, tmp_path: Path, argv: list[str], content: str) -> None:
    done = run(directory, "-w", str(tmp_path / "result"), *argv)
    assert done.returncode == 0
    assert (tmp_path / "result").read_text() == content
    assert content not in done.stdout


def test_a_result_that_is_neither_text_nor_bytes_is_not_written(directory: Path, tmp_path: Path) -> None:
    done = run(directory, "-q", "-w", str(tmp_path / "result"), "work.py::items", "--count", "2")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: --write-result takes str or bytes; items gave dict: {'number': 0}\n"
    done = run(directory, "-w", str(tmp_path / "result"), "work.py::double", "--x", "2")
    assert (done.returncode, "double returns int" in done.stderr) == (2, True)
    assert not (tmp_path / "result").exists()


def test_help_shows_docstring_and_options(directory: Path) -> None:
    done = run(directory, "work.py::double", "--help")
    assert done.returncode == 0
    assert "Doubles x." in done.stdout
    assert re.search(r"--x INTEGER +\[required\]", done.stdout)
    assert "--fail / --no-fail" in done.stdout


def test_failure_shows_the_users_frames_and_the_remote_traceback(directory: Path) -> None:
    done = run(directory, "-q", "work.py::fails")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.search(r'File ".*work\.py", line \d+, in double', done.stderr)
    assert re.search(r'File ".*work\.py", line \d+, in fails', done.stderr)
    assert done.stderr.endswith("ValueError: no 1\n")
    assert "motet/sdk" not in done.stderr
    assert "motet/runtime" not in done.stderr


def test_failure_of_a_function_shows_the_remote_traceback_alone(directory: Path) -> None:
    done = run(directory, "-q", "work.py::double", "--x", "1", "--fail")
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback (most recent call last):\n")
    assert done.stderr.count("Traceback") == 1


def test_a_function_that_exits_is_a_failure_with_its_status(directory: Path) -> None:
    done = run(directory, "-q", "work.py::quits", "--status", "5")
    assert done.returncode == 5
    assert "sys.exit(status)" in done.stderr
    assert run(directory, "-q", "work.py::quits", "--status", "0").returncode == 1


def test_exit_status_is_the_entrypoints(directory: Path) -> None:
    assert run(directory, "work.py::leaves", "--status", "7").returncode == 7


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["missing.py"], "There is no file 'missing.py'"),
        (["work.py"], "motet run work.py::main"),
        (["work.py::unknown"], "There is no 'unknown' to run in work.py"),
        (["work.py::double"], "Missing option '--x'"),
        (["work.py::double", "--x", "many"], "'many' is not a valid integer"),
        (["-i", "work.py::main"], "--interactive is not available in this version"),
    ],
)
def test_wrong_usage_has_status_2(directory: Path, argv: list[str], message: str) -> None:
    done = run(directory, *argv)
    assert done.returncode == 2
    assert message in done.stderr


def test_ctrl_c_stops_the_app_with_status_130(directory: Path) -> None:
    started = Started(directory, "work.py::stuck")
    started.wait_line("doubling 1")
    started.interrupt()
    status, out, err = started.wait_end()
    assert (status, out) == (130, "")
    assert "Stopping: app ap-" in err
    assert "Traceback" not in err


def test_ctrl_c_lets_an_async_entrypoint_clean_up(directory: Path) -> None:
    started = Started(directory, "work.py::stuck_async")
    started.wait_line("doubling 1")
    started.interrupt()
    status, out, err = started.wait_end()
    assert (status, out) == (130, "cleaned up\n")
    assert "Stopping: app ap-" in err
    assert "Traceback" not in err


def test_second_ctrl_c_ends_at_once(directory: Path) -> None:
    started = Started(directory, "work.py::stubborn")
    started.wait_line("working")
    started.interrupt()
    started.wait_line("working")
    started.interrupt()
    status, _, err = started.wait_end()
    assert status == 130
    assert "Traceback" not in err


def test_terminate_stops_the_app_with_status_143(directory: Path) -> None:
    started = Started(directory, "work.py::stuck")
    started.wait_line("doubling 1")
    started.process.terminate()
    status, _, err = started.wait_end()
    assert status == 143
    assert "Traceback" not in err


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_exit_hooks_run_when_the_program_is_told_to_end(directory: Path, number: int, status: int) -> None:
    started = Started(directory, "work.py::closes")
    started.wait_line("working")
    started.process.send_signal(number)
    started.wait_line("Stopping: app ap-")
    for _ in range(3):
        started.process.terminate()  # changes nothing any more
    ended, _, err = started.wait_end()
    assert (ended, "exit hook ran" in err) == (status, True), err
    assert "Traceback" not in err


def test_closed_pipe_ends_the_program_without_noise(directory: Path) -> None:
    with subprocess.Popen(
        [*MOTET, "run", "-q", "work.py::prints_much"], cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"0\n"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_a_line_leaves_through_a_pipe_when_it_is_complete(directory: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    command = [*MOTET, "run", "-q", "work.py::slow_lines"]
    with subprocess.Popen(command, cwd=directory, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"first\n"
        process.terminate()


def _read_terminal(descriptor: int) -> Iterator[bytes]:
    try:
        while chunk := os.read(descriptor, 65536):
            yield chunk
    except OSError:
        # How Linux says that the last process on the other side has closed it.
        return


def test_terminal_gets_a_live_view_while_a_piped_stdout_stays_clean(directory: Path) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "150"}
    with subprocess.Popen(
        [*MOTET, "run", "work.py::main"], cwd=directory, stdout=subprocess.PIPE, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        shown = b"".join(_read_terminal(ours)).decode()
        os.close(ours)
        assert process.stdout is not None
        assert process.stdout.read() == b"sum 6\n"
    assert process.returncode == 0
    assert "waiting" in shown
    assert re.search(r"\x1b\[2mdouble \w{5} \| \x1b\[0mdoubling 2\r\n", shown)
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") > 0


def test_packages_of_the_current_directory_are_found_by_a_program_below_it_and_by_its_containers(
    tmp_path: Path,
) -> None:
    files = {
        "jobs/job.py": "import motet\nfrom beside import NAME\nfrom tools.words import WORD\n\napp = motet.App()\n\n\n"
        "@app.function()\ndef word() -> str:\n    import tools.late\n\n    return WORD + NAME + tools.late.WORD\n",
        "jobs/beside.py": "NAME = 'beside'\n",
        "tools/__init__.py": "",
        "tools/words.py": "WORD = 'found'\n",
        "tools/late.py": "WORD = 'late'\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    done = run(tmp_path, "-q", "jobs/job.py")
    assert (done.returncode, done.stdout) == (0, "'foundbesidelate'\n"), done.stderr
