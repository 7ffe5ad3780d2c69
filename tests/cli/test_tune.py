from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import click
import pytest
from click.testing import CliRunner, Result

from motet.cli.main import motet
from motet.cli.tune_command import tune_command

PROGRAM = """
import motet

app = motet.App("tuned")


@app.function(scaledown_window=30, max_containers=50)
@motet.concurrent(max_inputs=3, target_inputs=2)
def fetch(url: str, times: int = 1) -> str:
    return url


@app.function()
def plain() -> None: ...


@app.function()
def raw(data: bytes) -> None: ...


@app.function()
@motet.batched(max_batch_size=4, wait_ms=10)
def together(values: list[int]) -> list[int]:
    return values


@app.function(single_use_containers=True)
def once() -> None: ...


@app.cls()
@motet.concurrent(max_inputs=2)
class Model:
    size: str = motet.parameter()

    @motet.method()
    def ask(self, prompt: str) -> str:
        return prompt


@app.local_entrypoint()
def main() -> None: ...
"""
_numbers = itertools.count()


@pytest.fixture
def program(tmp_path: Path) -> Iterator[str]:
    """A file of a name of its own, because a module is loaded under it."""
    name = f"tuned_program_{next(_numbers)}"
    path = tmp_path / f"{name}.py"
    path.write_text(PROGRAM)
    before = list(sys.path)
    yield str(path)
    sys.path[:] = before
    sys.modules.pop(name, None)


LOAD = ("--trace", "poisson", "--rate", "10", "--length", "30", "--duration", "0.2")
FEW = ("--max-inputs", "1,4", "--scaledown-window", "5,60", "--buffer-containers", "0,1")


def tuned(*arguments: str) -> Result:
    return CliRunner().invoke(motet, ["tune", *arguments])


def test_it_says_what_is_declared_what_it_chose_and_what_to_paste(program: str) -> None:
    result = tuned(f"{program}::fetch", *LOAD, *FEW, "--slo", "p95=1s")
    assert result.exit_code == 0, result.output
    out = result.stdout
    assert "Load: poisson, " in out
    assert "container-seconds" in out
    assert "N now   C chosen" in out
    assert "p95, s (at most 1)" in out
    assert "On loads from other seeds (1, 2) p95 is " in out
    assert "2 of 2 meet the SLO." in out
    assert "With the chosen settings, " in out  # and then which policy does better, if one does
    assert "    @app.function(max_containers=50, scaledown_window=5)\n" in out
    assert "    @motet.concurrent(max_inputs=4" in out
    assert result.stderr == ""


def test_json_has_all_of_it_and_is_the_same_for_the_same_seed(program: str) -> None:
    arguments = (f"{program}::fetch", *LOAD, *FEW, "--slo", "p95=1s,p99=2s", "--json", "--policy", "knative")
    result = tuned(*arguments)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["met"] is True
    assert found["slo"] == {"p95": 1.0, "p99": 2.0}
    assert found["now"]["settings"] == {
        "max_inputs": 3,
        "target_inputs": 2,
        "min_containers": 0,
        "max_containers": 50,
        "buffer_containers": 0,
        "scaledown_window": 30.0,
    }
    assert found["chosen"]["settings"]["max_inputs"] == 4
    assert found["chosen"]["numbers"]["p95"] <= 1
    assert found["chosen"]["numbers"]["container_seconds"] < found["now"]["numbers"]["container_seconds"]
    assert [it["numbers"]["policy"] for it in found["policies"]] == ["knative"]
    assert [it["numbers"]["seed"] for it in found["other_seeds"]] == [1, 2]
    assert found["decorators"][0].startswith("@app.function(")
    assert found["measured"] is None
    sys.modules.pop(Path(program).stem)
    assert tuned(*arguments).stdout == result.stdout


def test_an_objective_that_nothing_meets_is_told_with_the_best_there_was(program: str) -> None:
    result = tuned(f"{program}::fetch", *LOAD, *FEW, "--slo", "p95=0.001s")
    assert result.exit_code == 1
    assert result.stderr.startswith("No setting tried meets p95=0.001s; the best was p95=0.2")
    assert len(result.stderr.splitlines()) == 1
    assert "@app.function" not in result.stdout


def test_without_an_objective_latency_and_cost_are_weighed(program: str) -> None:
    result = tuned(f"{program}::plain", *LOAD, *FEW)
    assert result.exit_code == 0, result.output
    assert "the least product of p95 and container-seconds (no --slo)" in result.stdout


def test_a_class_is_declared_as_a_class(program: str) -> None:
    result = tuned(f"{program}::Model.ask", *LOAD, *FEW, "--slo", "p95=1s")
    assert result.exit_code == 0, result.output
    assert "    @app.cls(" in result.stdout


def test_a_recorded_load_has_no_other_seeds(program: str, tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text("arrival,duration\n" + "".join(f"{i * 0.1},0.2\n" for i in range(50)))
    result = tuned(f"{program}::fetch", "--trace", str(path), *FEW, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["other_seeds"] == []


def test_limits_of_the_pool_can_be_changed_for_all_that_is_tried(program: str) -> None:
    result = tuned(
        f"{program}::fetch", *LOAD, *FEW, "--max-containers", "2", "--min-containers", "1", "--slo", "p95=5s", "--json"
    )
    found = json.loads(result.stdout)
    assert found["chosen"]["settings"]["max_containers"] == 2
    assert found["chosen"]["settings"]["min_containers"] == 1
    assert found["now"]["settings"]["max_containers"] == 50


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_the_frontier_is_drawn_into_a_file(program: str, tmp_path: Path, ending: str) -> None:
    if ending == "png":
        pytest.importorskip("resvg_py")
    path = tmp_path / f"frontier.{ending}"
    result = tuned(f"{program}::fetch", *LOAD, *FEW, "--slo", "p95=1s", "--chart", str(path))
    assert result.exit_code == 0, result.output
    if ending == "svg":
        ElementTree.fromstring(path.read_text())
    assert path.read_bytes().startswith(b"<svg" if ending == "svg" else b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--slo", "p90=1s"], "'p90=1s' is no objective: they are p50, p95, p99, mean"),
        (["--slo", "p95=fast"], "'p95=fast': a latency must be more than 0 and finite"),
        (["--slo", "p95=1s,p95=2s"], "p95 is bounded more than once"),
        (["--policy", "kubernetes"], "unknown policy 'kubernetes'; it must be one of motet, "),
        (["--max-inputs", "0,4"], "max_inputs must be between 1 and 1000, got 0"),
        (["--max-inputs", "1,two"], "--max-inputs: '1,two' is not a list of whole numbers, such as 1,8,64"),
        (["--target-inputs", "2000"], "target_inputs must be between 1 and 1000, got 2000"),
        (["--scaledown-window", "1,60"], "scaledown_window must be between 2 and 3600, got 1"),
        (["--scaledown-window", "nan"], "scaledown_window must be between 2 and 3600, got nan"),
        (["--buffer-containers", "-1"], "buffer_containers must be between 0 and 10000, got -1"),
        (["--max-containers", "0"], "max_containers must be between 1 and 10000, got 0"),
        (["--min-containers", "60"], "`min_containers` (60) cannot be greater than `max_containers` (50)"),
        (["--max-inputs", "2", "--target-inputs", "4"], "no target_inputs of 4 fits max_inputs of 2"),
        (["--trace", "tides"], "unknown trace 'tides'; it must be a CSV file or one of steady, poisson"),
        (["--trace", "missing.csv"], "--trace: missing.csv: No such file or directory"),
        (["--rate", "0.001", "--length", "1"], "--trace: poisson: it has no inputs at this rate and length"),
        (["--curve", "cpu"], "--curve: unknown curve 'cpu'; it must be io, gil"),
        (["--chart", "chart.pdf"], "--chart writes FILE.svg or FILE.png, got 'chart.pdf'"),
        (["--seed", "1.5"], "--seed: '1.5' is not a whole number"),
        (["--live", "--seconds", "0"], "--seconds must be more than 0, and finite, got 0"),
        (["--live", "--curve", "io"], "--curve does not go with --live, which measures it"),
        (["--live", "--duration", "1"], "--duration does not go with --live, which measures it"),
        (["--args", "[1]"], "arguments ([1]) are for --live, which calls the function"),
        (["--", "--url", "x"], "arguments (--url x) are for --live, which calls the function"),
        (["--live"], "fetch: Missing option '--url'. Its arguments come after --, as in "),
        (["--live", "--", "--uri", "x"], "fetch: No such option"),
        (["--live", "--", "--url", "x", "--times", "x"], "fetch: Invalid value for '--times'"),
        (["--live", "--args", "{"], "--args: '{' is not JSON"),
        (["--live", "--args", "3"], "--args: a list of arguments or an object of keyword arguments is needed, got 3"),
        (
            ["--live", "--args", '{"uri": 1}'],
            '--args: fetch cannot be called with {"uri": 1}: missing a required argument',
        ),
        (["--live", "--args", "[1]", "--", "--url", "x"], "either after -- or as --args, not both"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line_with_the_value_and_what_it_may_be(
    program: str, arguments: list[str], complaint: str
) -> None:
    load = () if any(it in arguments for it in ("--trace",)) else ("--trace", "poisson")
    result = tuned(f"{program}::fetch", *load, *arguments)
    assert result.exit_code == 2, result.output
    assert complaint in result.stderr
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "arguments", "complaint"),
    [
        ("fetch", [], "--trace is needed: steady, poisson"),
        ("main", [*LOAD], "main is a local entrypoint, which has no settings; there is "),
        ("together", [*LOAD], "together runs in batches"),
        ("once", [*LOAD], "once has single_use_containers"),
        ("raw", ["--live"], "Parameter 'data' of raw is annotated bytes"),
        ("raw", ["--live"], "Or give its arguments as --args JSON."),
        ("Model.ask", ["--live", "--", "--prompt", "x"], "Missing option '--size'"),
        ("Model.ask", ["--live", "--args", '["x"]'], "Missing option '--size'"),
    ],
)
def test_what_cannot_be_tuned_is_refused_in_one_line(
    program: str, name: str, arguments: list[str], complaint: str
) -> None:
    result = tuned(f"{program}::{name}", *arguments)
    assert result.exit_code == 2, result.output
    assert complaint in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_name_that_is_not_there_shows_the_commands_to_choose_from(program: str) -> None:
    result = tuned(f"{program}::fetsch", *LOAD)
    assert result.exit_code == 2
    assert f"motet tune {program}::fetch" in result.stderr


def test_every_option_says_what_it_is() -> None:
    options = [option for option in tune_command.params if isinstance(option, click.Option)]
    assert [option.name for option in options if not option.help] == []
