"""`motet call rerun`: inputs that failed run once more, in a container and in the command's own process."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import wait_until
from .standing import standing_server
from .test_cli_views import MOTET, ROOT, input_of


class Program:
    """`programs/reruns.py`, with a home of its own: `calls` failed."""

    def __init__(self, home: Path) -> None:
        self.env = {**os.environ, "MOTET_HOME": str(home), "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.programs.reruns"],
            cwd=ROOT,
            env=self.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.divided, self.nested, self.shop, self.batched, ready = (
            input_of(self.process.stdout.readline().strip()) for _ in range(5)
        )
        assert ready == "in-dy-0"

    def rerun(self, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*MOTET, "call", "rerun", *arguments],
            env={**self.env, "COLUMNS": "200"},
            input=typed,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def end(self) -> None:
        if self.process.returncode is None:
            self.process.communicate(timeout=60)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    started = Program(tmp_path_factory.mktemp("home"))
    yield started
    started.end()


def test_an_input_runs_again_on_its_server_with_its_arguments(program: Program) -> None:
    done = program.rerun(program.divided)
    assert done.returncode == 1
    assert "in divide\n    return rate * number / by" in done.stdout
    told = re.search(rf"(fc-\w+) runs {program.divided} again", done.stderr)
    assert told is not None
    assert told[1] != f"fc-{program.divided[3:-2]}"
    assert f"failed again after 0 s; what it printed: motet logs --function-call {told[1]}" in re.sub(
        r"after [\d.]+ m?s", "after 0 s", done.stderr
    )


@pytest.mark.parametrize("name", ["divided", "nested", "batched"])
def test_an_input_runs_here(program: Program, name: str) -> None:
    done = program.rerun(getattr(program, name), "--local")
    assert "ZeroDivisionError: " in done.stderr
    assert f"{getattr(program, name)} failed here, too: ZeroDivisionError" in done.stderr
    assert done.returncode == 1


def test_a_method_runs_here_on_an_object_of_its_class(program: Program) -> None:
    done = program.rerun(program.shop, "--local")
    assert 'return f"{self.name} has {self.stock[fruit]}"' in done.stderr
    assert "KeyError: 'plums'" in done.stderr


def test_a_debugger_stops_at_the_first_line_and_at_the_failure(program: Program) -> None:
    typed = "p number, by\nby = 4\nc\n"
    done = program.rerun(program.divided, "--local", "--pdb", typed=typed)
    assert "(Pdb) (1, 0)" in done.stdout
    assert done.stdout.endswith("0.5\n")  # it was made to succeed
    assert done.returncode == 0
    done = program.rerun(program.divided, "--local", "--pdb", typed="c\np rate\nq\n")
    assert "(Pdb) 2" in done.stdout
    assert done.returncode == 1
    # Last: the app ends with its program, and what is kept of it does not.
    program.end()
    done = program.rerun(program.divided)
    assert f"is not served any more; run it here: motet call rerun {program.divided} --local" in done.stderr
    assert program.rerun(program.batched, "--local").returncode == 1


DEPLOYED = """
import motet

app = motet.App("shop")


@app.function()
def invert(number):
    return 1 / number


if __name__ == "__main__":
    app.deploy()
    motet.Function.from_name("shop", "invert").spawn(0)
"""


def test_an_input_of_a_deployed_version_runs_again_and_here_from_its_bundle(tmp_path: Path) -> None:
    home, project = tmp_path / "home", tmp_path / "project"
    project.mkdir()
    (project / "shop.py").write_text(DEPLOYED)
    with standing_server(home) as server:
        subprocess.run([sys.executable, "shop.py"], cwd=project, env=server.client_env, check=True)
        shutil.rmtree(project)
        env = {**server.env, "COLUMNS": "200"}

        def motet(*arguments: str) -> subprocess.CompletedProcess[str]:
            argv = [sys.executable, "-m", "motet", *arguments]
            return subprocess.run(argv, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)

        def failed_input() -> str | None:
            found = json.loads(motet("function", "calls", "invert", "--json").stdout or "[]")
            return next((it["input_id"] for it in found if it["status"] == "failure"), None)

        input_id = wait_until(failed_input, "the failed input", timeout=60.0)
        there, here = motet("call", "rerun", input_id), motet("call", "rerun", input_id, "--local")
    for done in (there, here):
        assert done.returncode == 1
        assert f"{home}/server/bundles/" in done.stdout + done.stderr, "code of the bundle"
        assert "return 1 / number" in done.stdout + done.stderr
