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


def test_a_learned_target_is_told() -> None:
    options = (*SMALL, "--max-inputs", "9", "--target-inputs", "auto", "--slo-p95", "5")
    numbers = json.loads(simulated(*options, "--json").stdout)
    assert 1 <= numbers["target_inputs"] <= 9
    assert 0 <= numbers["target_confidence"] <= 1
    assert f"{numbers['target_inputs']} (confidence {numbers['target_confidence']:.1f})" in simulated(*options).stdout


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


def test_batches_and_a_host_that_starts_few_containers_at_once_are_simulated() -> None:
    batches = ("--batch-size", "8", "--wait-ms", "auto", "--curve", "gpu-batch")
    numbers = json.loads(simulated(*SMALL, *batches, "--json").stdout)
    assert (numbers["errors"], numbers["inputs"]) == (0, 99)
    slow = json.loads(simulated(*SMALL, "--max-starting", "1", "--json").stdout)
    assert slow["p99"] > json.loads(simulated(*SMALL, "--json").stdout)["p99"]


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
        (["--input-failures", "nan"], "input_failures is a chance between 0 and 1, got nan"),
        (["--start-failures", "-0.1"], "start_failures is a chance between 0 and 1, got -0.1"),
        (["--container-failures", "1"], "container_failures must be less than 1: nothing would ever run"),
        (["--cold-start", "1e9"], "cold_start must be at most 86,400 seconds on average, got 1e+09"),
        (["--duration", "exponential:1e9"], "duration must be at most 86,400 seconds on average, got 1e+09"),
        (["--policy", "motet", "--policy", ""], "unknown policy ''; it must be one of motet, "),
        (["--target-inputs", "most"], "--target-inputs: 'most' is not a whole number, nor auto"),
        (["--slo-p95", "1"], '`slo_p95` goes only with target_inputs="auto", got target_inputs=1'),
        (["--target-inputs", "0"], "target_inputs must be between 1 and 1 (max_inputs), got 0"),
        (["--max-inputs", "1001"], "max_inputs must be between 1 and 1000, got 1001"),
        (["--min-containers", "-1"], "min_containers must be between 0 and 10000, got -1"),
        (["--scaledown-window", "0"], "scaledown_window must be more than 0 and at most 3600 seconds, got 0"),
        (["--overhead", "-1"], "overhead must be between 0 and 86,400 seconds, got -1"),
        (["--max-starting", "0"], "max_starting must be between 1 and 10000, got 0"),
        (["--batch-size", "0", "--wait-ms", "10"], "batch_size must be between 1 and 1000, got 0"),
        (["--batch-size", "4", "--wait-ms", "-1"], "wait_ms must be auto or between 0 and 600000, got -1"),
        (
            ["--batch-size", "4", "--wait-ms", "soon"],
            "--wait-ms: 'soon' is not a whole number of milliseconds, nor auto",
        ),
        (["--batch-size", "4"], "batch_size and wait_ms go together"),
        (["--length", "nan"], "the length of a trace must be more than 0, and finite, got nan"),
        (["--rate", "fast"], "--rate: 'fast' is not a number"),
        (["--trace", ""], "unknown trace ''; it must be a CSV file or one of steady, poisson"),
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
        (b"arrival,duration\n0,1\n1,abc\n", "line 3: duration 'abc' is not a number of seconds from 0 to 86,400"),
        (b"arrival,duration\n0,nan\n", "line 2: duration 'nan' is not a number of seconds from 0 to 86,400"),
        (b"arrival,duration\n0,-1\n", "line 2: duration '-1' is not a number of seconds from 0 to 86,400"),
        (b"arrival,duration\n-5,1\n", "line 2: arrival '-5' is not a number of seconds from 0 to 31,622,400"),
        (b"arrival,duration\n1e300,1\n", "line 2: arrival '1e300' is not a number of seconds from 0 to 31,622,400"),
        (b"arrival,duration\n0;1\n", "line 2: a row has an arrival and a duration, got '0;1'"),
        (b"arrival,duration\n0,1,2\n", "line 2: a row has an arrival and a duration, got '0,1,2'"),
        (b"arrival,duration\n", "it has no inputs, only a header"),
        (b"0,1\n", "line 1: the header must be 'arrival,duration', got '0,1'"),
        (b"hello\n" * 1000, "line 1: the header must be 'arrival,duration', got 'hello'"),
        (b"", "line 1: the header must be 'arrival,duration', got ''"),
        (b"\0" * 100_000, "line 1: the header must be 'arrival,duration', got '\\x00"),
        (b"\xff\xfe\x00", "is not a text file in UTF-8"),
        (bytes(range(256)) * 100, "is not a text file in UTF-8"),
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


@pytest.mark.parametrize("name", ["traces", "traces.csv"])
def test_a_directory_in_place_of_a_trace_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    result = simulated("--trace", str(tmp_path / name))
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"--trace: {tmp_path / name}: Is a directory" in result.stderr
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
