from __future__ import annotations

import json
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from motet.cli.main import motet
from motet.cli.simulate import simulate_command


def simulated(*arguments: str) -> Result:
    return CliRunner().invoke(motet, ["simulate", *arguments])


SMALL = ("--trace", "poisson", "--rate", "5", "--length", "20")


def test_json_has_the_numbers_of_one_policy() -> None:
    result = simulated(*SMALL, "--max-inputs", "4", "--target-inputs", "3", "--seed", "7", "--json")
    assert result.exit_code == 0, result.output
    numbers = json.loads(result.stdout)
    assert numbers["policy"] == "motet"
    assert numbers["inputs"] > 50
    assert numbers["errors"] == 0
    assert 0 < numbers["p50"] <= numbers["p95"] <= numbers["p99"]
    assert numbers["mean"] > 0
    assert numbers["container_seconds"] > 60
    assert 1 <= numbers["peak_containers"] <= numbers["cold_starts"]
    assert (
        simulated(*SMALL, "--max-inputs", "4", "--target-inputs", "3", "--seed", "7", "--json").stdout == result.stdout
    )


def test_several_policies_are_set_side_by_side() -> None:
    result = simulated(*SMALL, "--policy", "motet", "--policy", "modal")
    assert result.exit_code == 0, result.output
    head = next(line for line in result.stdout.splitlines() if "motet" in line)
    assert "modal" in head
    assert "container-seconds" in result.stdout
    as_json = json.loads(simulated(*SMALL, "--policy", "motet", "--policy", "modal", "--json").stdout)
    assert [numbers["policy"] for numbers in as_json] == ["motet", "modal"]


def test_a_recorded_trace_brings_its_durations(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text("arrival,duration\n0,2\n0.5,2\n")
    numbers = json.loads(simulated("--trace", str(path), "--max-inputs", "10", "--cold-start", "1", "--json").stdout)
    assert (numbers["inputs"], numbers["p50"], numbers["p99"]) == (2, 2.5, 3.0)
    assert (numbers["cold_starts"], numbers["container_seconds"]) == (1, 63.0)


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_a_chart_is_written_in_the_form_its_name_says(tmp_path: Path, ending: str) -> None:
    if ending == "png":
        pytest.importorskip("resvg_py")
    path = tmp_path / f"chart.{ending}"
    result = simulated(*SMALL, "--chart", str(path))
    assert result.exit_code == 0, result.output
    assert path.read_bytes().startswith(b"<svg" if ending == "svg" else b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--policy", "kubernetes"], "unknown policy 'kubernetes'; it must be one of motet, "),
        (["--max-inputs", "0"], "max_inputs must be between 1 and 1000, got 0"),
        (["--max-inputs", "x"], "--max-inputs: 'x' is not a whole number"),
        (["--max-inputs", "4", "--target-inputs", "5"], "target_inputs must be between 1 and 4 (max_inputs), got 5"),
        (
            ["--min-containers", "3", "--max-containers", "2"],
            "min_containers must be between 0 and 2 (max_containers), got 3",
        ),
        (["--max-containers", "0"], "max_containers must be between 1 and 10000, got 0"),
        (["--buffer-containers", "-1"], "buffer_containers must be between 0 and 10000, got -1"),
        (["--scaledown-window", "-1"], "scaledown_window must be more than 0 and at most 3600 seconds, got -1"),
        (["--scaledown-window", "nan"], "scaledown_window must be more than 0 and at most 3600 seconds, got nan"),
        (["--cold-start", "-2"], "--cold-start: a duration of -2 s is not possible; it must be 0 or more, and finite"),
        (["--duration", "soon"], "--duration: 'soon' is not a duration; it must be SECONDS, exponential:MEAN"),
        (["--curve", "cpu"], "--curve: unknown curve 'cpu'; it must be io, gil"),
        (["--input-failures", "2"], "input_failures is a chance between 0 and 1, got 2"),
        (["--rate", "0"], "the rate of a trace must be more than 0"),
        (["--seed", "1.5"], "--seed: '1.5' is not a whole number"),
        (["--chart", "chart.pdf"], "--chart writes FILE.svg or FILE.png, got 'chart.pdf'"),
        (["--chart", "/nowhere/at/all.svg"], "--chart: there is no directory '/nowhere/at'"),
        (["--trace", "tides"], "unknown trace 'tides'; it must be a CSV file or one of steady, poisson"),
        (["--trace", "missing.csv"], "--trace: missing.csv: No such file or directory"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line_with_the_value_and_what_it_may_be(
    arguments: list[str], complaint: str
) -> None:
    result = simulated("--trace", "poisson", *arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert complaint in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"arrival,duration\n0,1\n1,abc\n", "line 3: duration 'abc' is not a number of seconds from 0 up"),
        (b"\xff\xfe\x00", "is not a text file in UTF-8"),
        (b"arrival,duration\n", "it has no inputs, only a header"),
    ],
)
def test_a_malformed_trace_is_refused_in_one_line_with_its_file(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "trace.csv"
    path.write_bytes(content)
    result = simulated("--trace", str(path))
    assert result.exit_code == 2
    assert str(path) in result.stderr
    assert complaint in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_png_without_the_package_for_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    result = simulated(*SMALL, "--chart", "chart.png")
    assert result.exit_code == 2
    assert "pip install 'motet[chart]'" in result.stderr


def test_every_option_says_what_it_is() -> None:
    options = [option for option in simulate_command.params if isinstance(option, click.Option)]
    assert [option.name for option in options if not option.help] == []


def test_a_load_of_no_inputs_is_simulated_and_drawn(tmp_path: Path) -> None:
    result = simulated("--trace", "steady", "--rate", "0.1", "--length", "1", "--chart", str(tmp_path / "none.svg"))
    assert result.exit_code == 0, result.output
    assert "0 inputs" in result.stdout
