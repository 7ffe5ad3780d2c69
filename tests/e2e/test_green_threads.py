"""gevent and eventlet: containers work under them, and a program whose own threads are green is told immediately."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from motet.exception import InvalidError
from motet.server.green_threads import refuse_green_threads

WHAT_TO_DO = "if not motet.is_local(): monkey.patch_all()"


def run_program(*arguments: str) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("gevent")
    program = [sys.executable, "-m", "tests.e2e.programs.green", *arguments]
    return subprocess.run(program, check=False, capture_output=True, text=True, timeout=60)


def test_functions_of_patched_containers_run_side_by_side_and_call_others() -> None:
    ended = run_program()
    assert (ended.stdout, ended.returncode) == ("[[0], [0, 2], [0, 2, 4]]\n", 0), ended.stderr


def test_a_patched_program_is_told_what_to_do() -> None:
    ended = run_program("--patched")
    assert ended.returncode == 1
    assert WHAT_TO_DO in ended.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("library", "patched"),
    [("gevent.monkey", "is_module_patched"), ("eventlet.patcher", "is_monkey_patched")],
)
def test_libraries_that_patch_something_else_are_left_alone(library: str, patched: str) -> None:
    def patching(what: str) -> dict[str, SimpleNamespace]:
        return {library: SimpleNamespace(**{patched: lambda name: name == what})}

    refuse_green_threads({})
    refuse_green_threads(patching("socket"))
    with pytest.raises(InvalidError, match="needs real ones"):
        refuse_green_threads(patching("subprocess"))
