"""What a killed program leaves in the temporary directory: nothing, or nothing for longer than until the next one starts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .conftest import wait_until

PROGRAM = """
import sys
import time

import motet

app = motet.App("victim")


@app.function()
def nap(seconds: float) -> None:
    time.sleep(seconds)


if __name__ == "__main__":
    with app.run():
        nap.remote(0)
        print("running", flush=True)
        nap.remote(float(sys.argv[1]))
"""


LONG = "a-long-name-" * 20


@contextmanager
def running(directory: Path, seconds: float = 60, temporary: str = "temporary") -> Iterator[subprocess.Popen[str]]:
    """The program, once it has a container, with an own directory for temporary files. With 0 seconds it is about to end."""
    (directory / "victim.py").write_text(PROGRAM)
    temporary_directory = directory / temporary
    temporary_directory.mkdir(exist_ok=True)
    command = [sys.executable, str(directory / "victim.py"), str(seconds)]
    env = {**os.environ, "TMPDIR": str(temporary_directory)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=env, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        yield process


def test_a_killed_program_leaves_nothing_after_a_moment(tmp_path: Path) -> None:
    with running(tmp_path) as process:
        assert list((tmp_path / "temporary").iterdir())
        process.kill()
        wait_until(lambda: not list((tmp_path / "temporary").iterdir()), "the program's directory to go")


def test_a_program_runs_where_the_path_of_temporary_files_is_too_long_for_a_socket(tmp_path: Path) -> None:
    with running(tmp_path, 0, LONG) as process:
        assert process.wait(30) == 0
    assert list((tmp_path / LONG).iterdir()) == []


def test_what_a_program_leaves_that_was_killed_with_its_template_goes_with_the_next_start(tmp_path: Path) -> None:
    with running(tmp_path) as process:
        process.send_signal(signal.SIGSTOP)
        (template,) = [
            int(child)
            for thread in Path(f"/proc/{process.pid}/task").iterdir()
            for child in (thread / "children").read_text().split()
        ]
        os.kill(template, signal.SIGKILL)
        process.kill()
    left = list((tmp_path / "temporary").iterdir())
    assert left
    with running(tmp_path, 0) as process:
        assert process.wait(30) == 0
    assert list((tmp_path / "temporary").iterdir()) == []
