"""`motet tune --live`: real functions are measured in real containers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

MOTET = [sys.executable, "-c", "from motet.cli.main import main; main()"]
PROGRAM = """
import asyncio
import time

import motet

app = motet.App("demo")


@app.function(min_containers=1, retries=3)
async def nap(seconds: float):
    await asyncio.sleep(seconds)


@app.function()
@motet.concurrent(max_inputs=4)
async def blocked():
    time.sleep(0.2)


@app.function()
def items(count: int):
    for i in range(count):
        time.sleep(0.02)
        yield i


@app.function()
def refuse():
    raise ValueError("not today")


@app.cls()
class Model:
    size: int = motet.parameter()

    @motet.method()
    def ask(self, prompt: str) -> str:
        time.sleep(0.03)
        return prompt * self.size
"""
LOAD = ("--trace", "poisson", "--rate", "20", "--length", "20", "--policy", "motet")
QUICK = ("--live", "--seconds", "0.2", "--max-inputs", "1,4", "--json")


def motet(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    (cwd / "app.py").write_text(PROGRAM)
    return subprocess.run(
        [*MOTET, "tune", *arguments], cwd=cwd, capture_output=True, text=True, timeout=100, check=False
    )


def found(*arguments: str, cwd: Path) -> dict[str, Any]:
    done = motet(*arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_a_function_that_waits_is_measured_to_gain_from_concurrency(tmp_path: Path) -> None:
    result = found("app.py::nap", *QUICK, *LOAD, "--slo", "p95=2s", "--", "--seconds", "0.05", cwd=tmp_path)
    measured = result["measured"]
    assert [step["inputs"] for step in measured["steps"]] == [1, 4]
    assert all(step["p50"] >= 0.05 for step in measured["steps"])
    assert all(step["peak_bytes"] > 2**20 for step in measured["steps"])
    assert measured["steps"][1]["per_second"] > 2 * measured["steps"][0]["per_second"]
    assert (measured["helps"], measured["knee"]) == (True, 4)
    assert measured["verdict"].startswith("Concurrency helps up to 4 inputs at once")
    assert result["chosen"]["settings"]["max_inputs"] == 4
    assert any(line.startswith("@motet.concurrent(max_inputs=4") for line in result["decorators"])


def test_a_function_that_blocks_its_loop_is_told_that_concurrency_does_not_help(tmp_path: Path) -> None:
    # It blocks for long, and is measured for long: neither what a busy machine adds to each input, which inputs at once
    # share, nor one long pause of it makes 41 % of the time of one input at a time, which would look like a gain.
    result = found("app.py::blocked", "--live", "--seconds", "2", "--json", *LOAD, cwd=tmp_path)
    measured = result["measured"]
    assert "p95 grows" in measured["verdict"]
    assert "max_inputs=1" in measured["verdict"]
    assert measured["helps"] is False
    # No more than what it takes to see that.
    assert measured["steps"][-1]["inputs"] < 128
    assert result["now"]["settings"]["max_inputs"] == 4
    assert result["chosen"]["settings"]["max_inputs"] == 1
    assert not any("concurrent" in line for line in result["decorators"])


def test_methods_and_generators_are_measured_with_arguments_as_json_that_take_turns(tmp_path: Path) -> None:
    items = found("app.py::items", *QUICK, *LOAD, "--args", "[1]", "--args", '{"count": 2}', cwd=tmp_path)
    assert items["measured"]["steps"][0]["p50"] >= 0.02
    model = found("app.py::Model.ask", *QUICK, *LOAD, "--", "--size", "2", "--prompt", "x", cwd=tmp_path)
    assert model["measured"]["steps"][0]["p50"] >= 0.03
    assert model["decorators"][0].startswith("@app.cls(")


def test_a_load_is_made_that_suits_what_was_measured(tmp_path: Path) -> None:
    done = motet(
        "app.py::nap",
        "--live",
        "--seconds",
        "0.2",
        "--max-inputs",
        "1,4",
        "--length",
        "60",
        "--",
        "--seconds",
        "1",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "nap in one container:" in done.stdout
    assert "made because there is no --trace" in done.stdout
    assert "A container takes " in done.stdout


def test_what_the_function_raises_is_shown_as_its_own_traceback(tmp_path: Path) -> None:
    done = motet("app.py::refuse", *QUICK, *LOAD, cwd=tmp_path)
    assert done.returncode == 1
    assert "ValueError: not today" in done.stderr
    assert done.stderr.splitlines()[-1] == "refuse could not be measured."
    assert done.stdout == ""
