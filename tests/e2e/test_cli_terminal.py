"""`motet run` on a terminal: what stands on the screen of somebody who looks, types and waits."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.virtual_terminal import VirtualTerminal

PROGRAM = """
import os
import sys
import time

import motet

app = motet.App("demo")


def wait_until_seen(what: str) -> None:
    # The test makes the file when it has seen that on the screen: a machine that is busy shows it late.
    while not os.path.exists(os.path.join(os.environ["SEEN"], what)):
        time.sleep(0.01)


@app.function()
@motet.concurrent(max_inputs=8)
def work(i: int) -> int:
    print("at work on", i)
    return i


@app.local_entrypoint()
def tokens() -> None:
    for token in ("Once ", "upon ", "a ", "time "):
        print(token, end="", flush=True)
        work.remote(1)
    print()
    print("The end")


@app.local_entrypoint()
def bar() -> None:
    for done, _ in enumerate(work.map(range(8)), 1):
        print(f"\\r{done / 8:4.0%}|{'#' * done:8}|", end="", file=sys.stderr, flush=True)
        if done == 1:
            wait_until_seen("first step")
    print(file=sys.stderr)


@app.function()
def streams() -> None:
    # A line that has begun is shown ten times a second at most.
    for token in ("Once ", "upon ", "a ", "time "):
        time.sleep(0.11)
        print(token, end="", flush=True)
        if token == "upon ":
            wait_until_seen("begun line")
    print()
    for percent in range(0, 101, 25):
        time.sleep(0.11)
        print(f"\\r{percent}%|{'#' * percent}", end="", file=sys.stderr, flush=True)
        if percent == 50:
            wait_until_seen("half")
    print(file=sys.stderr)


@app.local_entrypoint()
def asks() -> None:
    work.remote(0)
    name = input("Your name? ")
    print("Hello,", name)
    print("And yours? ", end="", flush=True)
    call = work.spawn(1)
    print("Hello,", sys.stdin.readline().strip())
    call.get()
    wait_until_seen("view")
"""

PATIENCE = 60.0


class OnTerminal:
    """`motet run` on a pseudo-terminal, and what its screen shows."""

    def __init__(
        self, process: subprocess.Popen[bytes], descriptor: int, size: tuple[int, int], directory: Path
    ) -> None:
        self.process = process
        self._directory = directory
        self.screen = VirtualTerminal(*size)
        self._descriptor = descriptor
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def wait(self, condition: Callable[[list[str]], bool]) -> list[str]:
        """The rows shown once they are as they should be; what is shown at the program's end must be, too."""
        deadline = time.monotonic() + PATIENCE
        while not condition(self.screen.shown):
            assert self._read(deadline - time.monotonic()), "\n".join(self.screen.shown)
        return self.screen.shown

    def saw(self, what: str) -> None:
        """Have the program go on that waits for this."""
        (self._directory / what).touch()

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def wait_end(self) -> list[str]:
        deadline = time.monotonic() + PATIENCE
        while self._read(deadline - time.monotonic()):
            pass
        assert self.process.wait(PATIENCE) == 0
        return self.screen.shown

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._descriptor], [], [], max(0.0, seconds))
        assert ready, "\n".join(self.screen.shown)
        try:
            data = os.read(self._descriptor, 65536)
        except OSError:  # how Linux says that the last process on the other side has closed it
            return False
        self.screen.feed(self._decoder.decode(data))
        return True


@contextmanager
def on_terminal(directory: Path, *argv: str, columns: int = 80, lines: int = 24) -> Iterator[OnTerminal]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES", "NO_COLOR")}
    command = [sys.executable, "-c", "from motet.cli.main import main; main()", "run", *argv]
    with subprocess.Popen(
        command,
        cwd=directory,
        env={**environment, "TERM": "xterm-256color", "SEEN": str(directory)},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        try:
            yield OnTerminal(process, ours, (columns, lines), directory)
        finally:
            process.kill()
            os.close(ours)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "work.py").write_text(PROGRAM)
    return tmp_path


def test_tokens_stand_in_one_line_though_containers_print_meanwhile(directory: Path) -> None:
    with on_terminal(directory, "work.py::tokens") as run:
        shown = run.wait_end()
    assert [row for row in shown[:-1] if " | " not in row] == ["Once upon a time", "The end"]
    assert [row.split(" | ")[1] for row in shown if " | " in row] == ["at work on 1"] * 4
    assert shown[-1].startswith("work: 4 inputs in 1 container in ")


def test_a_progress_bar_is_drawn_in_its_place(directory: Path) -> None:
    with on_terminal(directory, "work.py::bar") as run:
        run.wait(lambda shown: any("12%|#       |" in row for row in shown))
        run.saw("first step")
        shown = run.wait_end()
    assert [row for row in shown if "%|" in row] == ["100%|########|"]
    assert sum("at work on" in row for row in shown) == 8


def test_unfinished_lines_of_containers_grow_and_bars_are_drawn_in_their_place(directory: Path) -> None:
    with on_terminal(directory, "work.py::streams") as run:
        run.wait(lambda shown: any(row.endswith("| Once upon") for row in shown))
        run.saw("begun line")
        run.wait(lambda shown: any("50%|####" in row for row in shown))
        run.saw("half")
        shown = run.wait_end()
    assert [row.split(" | ")[-1] for row in shown[:-1]] == ["Once upon a time", f"100%|{'#' * 100}"[:64], "#" * 41]


def test_what_is_typed_stays_while_containers_print_and_the_view_comes_back(directory: Path) -> None:
    with on_terminal(directory, "work.py::asks") as run:
        run.wait(lambda shown: shown[-1:] == ["Your name?"])
        run.type("Pe")
        run.wait(lambda shown: shown[-1] == "Your name? Pe")
        run.type("ter\n")
        # A line of a container may have come between the two.
        run.wait(lambda shown: "Hello, Peter" in shown and shown[-1] == "And yours?")
        run.type("Paul\n")
        # All of a view of 80 columns can be read, without any word cut.
        run.wait(lambda shown: shown[-1].startswith("work ") and shown[-2].startswith("function"))
        header = run.screen.shown[-2]
        run.saw("view")
        shown = run.wait_end()
    assert header.split() == ["function", "containers", "running/max", "waiting", "done", "failed", "inputs/s", "time"]
    # Lines of containers come when they come, but whole, and between those of the program.
    own = [row for row in shown[:-1] if " | " not in row]
    assert own == ["Your name? Peter", "Hello, Peter", "And yours? Paul", "Hello, Paul"]
    assert [row.split(" | ")[1] for row in shown if " | " in row] == ["at work on 0", "at work on 1"]
