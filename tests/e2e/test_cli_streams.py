"""Commands whose standard streams are closed, full, gone, or of another encoding."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
import motet

app = motet.App("demo")


@app.function()
def speak(text: str) -> str:
    print("日本", text)
    return "r" * len(text)


@app.local_entrypoint()
def main() -> None:
    print(speak.remote("hello"))


@app.local_entrypoint()
def prints() -> None:
    print("日本" * 5)


if __name__ == "__main__":
    with app.run():
        assert speak.remote("x") == "r"
"""
MOTET = f'{sys.executable} -c "from motet.cli.main import main; main()"'


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("program")
    (directory / "work.py").write_text(PROGRAM)
    return directory


def shell(directory: Path, command: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    inherited = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    env = {**inherited, "MOTET_HOME": str(directory / "home"), **environment}
    return subprocess.run(["bash", "-c", command], cwd=directory, env=env, capture_output=True, timeout=60, check=False)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", ["--help", "run -q work.py::speak --text hi"])
def test_a_full_stdout_is_told_in_one_sentence(directory: Path, command: str, unbuffered: str) -> None:
    done = shell(directory, f"{MOTET} {command} >/dev/full", PYTHONUNBUFFERED=unbuffered)
    assert done.returncode == 1
    assert done.stderr == b"Error: cannot write to stdout: No space left on device\n"


def test_what_the_program_cannot_print_is_told_in_one_sentence(directory: Path) -> None:
    done = shell(directory, f"{MOTET} run -q work.py::main >/dev/full")
    assert (done.returncode, done.stderr) == (1, b"Error: cannot write to stdout: No space left on device\n")


@pytest.mark.parametrize("command", ["--help", "run -q work.py::speak --text hi"])
def test_a_reader_that_has_gone_makes_no_noise(directory: Path, command: str) -> None:
    done = shell(directory, f"set -o pipefail; {MOTET} {command} | true")
    assert done.stderr == b""
    assert done.returncode in (0, 1)  # it may have printed before its reader went


@pytest.mark.parametrize("how", ["2>/dev/full", "2>&-", "<&-", "0<&- 1>&- 2>&-"])
def test_closed_and_full_streams_do_not_change_how_a_run_ends(directory: Path, how: str) -> None:
    done = shell(directory, f"{MOTET} run work.py::main {how}")
    assert done.returncode == 0
    assert done.stdout == (b"" if "1>&-" in how else b"rrrrr\n")


@pytest.mark.parametrize("how", ["<&-", "0<&- 1>&- 2>&-"])
def test_a_program_may_start_with_closed_streams(directory: Path, how: str) -> None:
    done = shell(directory, f"{sys.executable} work.py {how}")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_what_stdout_has_no_character_for_is_escaped(directory: Path) -> None:
    done = shell(directory, f"{MOTET} run -q work.py::prints", PYTHONIOENCODING="latin-1")
    assert done.stdout.startswith(b"\\u65e5\\u672c" * 5)
    assert shell(directory, f"{MOTET} run -q work.py::main").returncode == 0
    done = shell(directory, f"{MOTET} logs --function speak", PYTHONIOENCODING="latin-1")
    assert done.returncode == 0
    assert b"\\u65e5\\u672c hello\n" in done.stdout
