"""The commands that look at runs, on the records of one that has ended; and what they say of what makes no sense."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.cli.made_home import AT, made_home

from motet.cli.main import motet


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("home")
    made_home(directory)
    return directory


def run(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(motet, list(arguments), env={"MOTET_HOME": str(home)})


def ask(home: Path, *arguments: str) -> Any:
    result = run(home, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def lines(home: Path, *arguments: str) -> list[str]:
    result = run(home, "logs", *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


EVERY = [
    "fetching 1 as in-2-1",
    "looking",
    "ValueError: item 1 is not there",
    "fetching 0 as in-2-0",
    "of nobody",
    "ordered",
]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ([], EVERY),
        (["--tail", "2"], EVERY[-2:]),
        (["--app", "shop"], EVERY),
        (["--app", "ap-1", "--function", "order"], ["ordered"]),
        (["--function", "fu-1", "--source", "stdout"], [EVERY[0], EVERY[1], EVERY[3]]),
        (["--function-call", "fc-2", "-s", "stderr"], [EVERY[2]]),
        (["--input", "in-2-0"], [EVERY[3]]),
        (["--container", "ta-00002"], [EVERY[3], EVERY[4]]),
        (["--container", "00003"], ["ordered"]),
        (["--search", "in-2-1"], [EVERY[0]]),
        (["--search", "NOT THERE"], [EVERY[2]]),
        (["--since", str(AT + 3.5)], ["ordered"]),
        (["--until", str(AT + 1.2)], EVERY[:2]),
        (["--since", str(AT + 1.2), "--until", str(AT + 3), "--source", "stdout"], [EVERY[3]]),
        (["--search", "nothing"], []),
    ],
)
def test_logs_are_found_by_every_filter(home: Path, filters: list[str], found: list[str]) -> None:
    assert lines(home, *filters) == found


def test_logs_have_the_columns_that_were_asked_for(home: Path) -> None:
    every = ("--show-function-id", "--show-function-call-id", "--show-container-id", "--show-input-id")
    assert lines(home, "--input", "in-2-0", *every) == ["fu-1 fc-2 ta-00002 in-2-0 fetching 0 as in-2-0"]
    assert lines(home, "--search", "nobody", *every) == ["fu-1 - ta-00002 - of nobody"]


def test_logs_as_json_are_an_object_for_each_line(home: Path) -> None:
    found = [json.loads(line) for line in lines(home, "--function-call", "fc-2", "--json")]
    assert [each["message"] for each in found] == EVERY[:4]
    assert found[0]["input_id"] == "in-2-1"


def test_logs_of_an_app_and_of_a_container_have_commands_of_their_own(home: Path) -> None:
    assert run(home, "app", "logs", "shop", "--function", "order").stdout == "ordered\n"
    assert run(home, "container", "logs", "00002", "--all", "-s", "system").stdout == "of nobody\n"


def test_following_where_nothing_runs_ends_with_what_there_is(home: Path) -> None:
    result = run(home, "logs", "-f", "--function", "order")
    assert (result.exit_code, result.stdout) == (0, "ordered\n")
    assert f"No server runs under {home}" in result.stderr


def test_apps_and_functions_that_ended_are_listed(home: Path) -> None:
    (app,) = ask(home, "app", "list")
    assert (app["app_id"], app["state"], app["ended_at"], app["containers"]) == ("ap-1", "ended", AT + 10, None)
    assert [each["name"] for each in ask(home, "app", "info", "shop")["functions"]] == ["fetch", "order"]
    assert [each["function_id"] for each in ask(home, "function", "list", "--app", "ap-1")] == ["fu-1", "fu-2"]
    assert "shop" in run(home, "app", "list").stdout
    assert "5/10" in run(home, "function", "list").stdout


def test_stats_of_a_function(home: Path) -> None:
    stats = ask(home, "function", "stats", "fetch")
    assert stats["inputs"] == {"success": 2, "failure": 1}
    assert (stats["redelivered"], stats["containers_started"], stats["now"]) == (1, 2, None)
    assert stats["runs"]["most"] == pytest.approx(2.0)
    assert ask(home, "function", "stats", "fetch", "--container", "00001")["inputs"] == {"success": 1, "failure": 1}
    assert "2 success  1 failure" in run(home, "function", "stats", "fetch").stdout


def test_decisions_about_a_pool_that_has_ended_are_told_with_their_numbers_and_reason(home: Path) -> None:
    first, last = ask(home, "function", "autoscaler", "decisions", "fetch")
    assert (first["desired"], first["waiting_inputs"], first["reason"]) == (1, 3, "3 inputs at 5 each want 1")
    assert (last["desired"], last["live"], last["running_inputs"]) == (2, 1, 5)
    result = run(home, "function", "autoscaler", "decisions", "fetch", "--limit", "1")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[1].split()[-12:] == [
        "2",
        "1",
        "0",
        "2",
        "5",
        "7",
        "inputs",
        "at",
        "5",
        "each",
        "want",
        "2",
    ]
    assert ask(home, "function", "autoscaler", "decisions", "fetch", "--since", "1s") == []
    none = run(home, "function", "autoscaler", "decisions", "order")
    assert (none.exit_code, none.stdout) == (0, "")
    assert "No decision about the size of order is kept." in none.stderr


def test_inputs_of_a_function_come_latest_first(home: Path) -> None:
    rows = ask(home, "function", "calls", "fetch")
    assert [(each["input_id"], each["status"], each["attempts"]) for each in rows] == [
        ("in-2-0", "success", 2),
        ("in-2-2", "success", 1),
        ("in-2-1", "failure", 1),
    ]
    assert len(ask(home, "function", "calls", "fetch", "-n", "1")) == 1
    assert [each["input_id"] for each in ask(home, "function", "calls", "fetch", "--until", str(AT + 2))] == ["in-2-1"]


def test_an_inputs_timeline_has_a_bar_for_each_attempt_and_who_blocked_it(home: Path) -> None:
    text = run(home, "call", "in-2-0").stdout
    first, second = [line for line in text.splitlines() if line.startswith("attempt")]
    assert [first.split()[2], second.split()[2]] == ["ta-00001", "ta-00002"]
    assert "lost after 1.5 s" in first
    assert "success after 3.0 s" in second
    assert "blocked for 0.5 s by in-2-2: kept the event loop at shop.py:12" in text
    assert "called by in-1-0" in text
    found = ask(home, "call", "in-2-0")
    assert sum(found["phases"].values()) == pytest.approx(found["seconds"]) == pytest.approx(4.5)
    assert [each["outcome"] for each in found["attempts"]] == ["lost", "success"]


def test_an_input_that_failed_has_its_traceback(home: Path) -> None:
    assert "Traceback: shop.py:14" in run(home, "call", "in-2-1").stdout
    assert ask(home, "call", "in-2-1")["failure"]["type"] == "ValueError"


def test_an_inputs_calls_are_a_tree_below_it(home: Path) -> None:
    text = run(home, "call", "in-1-0").stdout
    assert "fetch  fc-2  2 success, 1 failure" in text
    assert "├── in-2-0  success 4.5 s  2 attempts" in text
    (call,) = ask(home, "call", "in-1-0")["calls"]
    assert [each["status"] for each in call["inputs"]] == ["SUCCESS", "FAILURE", "SUCCESS"]


def test_a_call_has_its_counts_and_its_slowest_inputs_first(home: Path) -> None:
    text = run(home, "call", "fc-2").stdout
    assert "fetch  2 succeeded, 1 failed" in text
    found = ask(home, "call", "fc-2", "--inputs", "2")
    assert [each["input_id"] for each in found["inputs"]] == ["in-2-0", "in-2-2"]
    assert found["counts"]["failed"] == 1


MISSING = [
    (["logs", "--app", "shap"], "no app 'shap' is known under HOME; did you mean 'shop'?"),
    (["logs", "--function", "fech"], "no function 'fech' is known under HOME; did you mean 'fetch'?"),
    (["logs", "--input", "in-2-9"], "no input 'in-2-9' is known under HOME (the newest function call is fc-2)"),
    (["logs", "--function-call", "fc-9"], "no function call 'fc-9' is known under HOME"),
    (["logs", "--container", "ta-9"], "no container 'ta-9' is known under HOME; there are: ta-00002"),
    (["container", "logs", "99999"], "no container '99999' is known under HOME"),
    (["container", "stop", "00001"], "container ta-00001 has ended: was killed by signal 9 (SIGKILL)"),
    (["container", "exec", "00001", "--", "ps"], "container ta-00001 has ended: was killed by signal 9 (SIGKILL)"),
    (["app", "stop", "shop"], "app shop (ap-1) does not run any more"),
    (["app", "info", "ap-9"], "no app 'ap-9' is known under HOME"),
    (["call", "in-9-0"], "no input 'in-9-0' is known under HOME"),
    (["call", "fc-9"], "no function call 'fc-9' is known under HOME"),
    (["call", "cancel", "fc-2"], "nothing to cancel: no input of fc-2 runs or waits (2 succeeded, 1 failed)"),
    (["function", "stats", "nope"], "no function 'nope' is known under HOME"),
    (["function", "autoscaler", "settings", "fetch"], "function fetch (fu-1) does not run any more"),
    (["function", "autoscaler", "update", "fetch", "--min-containers", "1"], "does not run any more"),
]
SENSELESS = [
    (["logs", "--since", "5x"], "--since=5x is not a time: say how long ago (30s, 5m, 2h, 1d) or when"),
    (["logs", "--until", "tomorrow"], "--until=tomorrow is not a time"),
    (["logs", "--since", "1h", "--until", "2h"], "--since must be earlier than --until"),
    (["logs", "--follow", "--tail", "3"], "--follow cannot be combined with --since, --until, or --tail."),
    (["app", "logs", "shop", "-f", "--since", "1h"], "--follow cannot be combined with --since, --until, or --tail."),
    (["logs", "--tail", "0"], "--tail=0 is not a number of lines from 1 to 20,000"),
    (["logs", "--tail", "20001"], "--tail=20001 is not a number of lines from 1 to 20,000"),
    (["logs", "--tail", "many"], "'many' is not a valid integer"),
    (["logs", "--source", "stdin"], "'stdin' is not one of 'stdout', 'stderr', 'system'"),
    (["logs", "--input", "in-5"], "'in-5' is not an input id; they look like 'in-01hq3v8k2m-0'"),
    (["logs", "--function-call", "2"], "'2' is not the id of a function call; they begin with fc-"),
    (["logs", "--container", "ta-00"], "'ta-00' is a part of the ids of 3 containers"),
    (["container", "logs", "00001", "--all", "-n", "3"], "--all cannot be combined with --tail or --follow."),
    (["call", "fetch"], "'fetch' is neither the id of an input (in-...) nor of a function call (fc-...)"),
    (["call", "in-5"], "'in-5' is not an input id"),
    (["call", "cancel", "in-2-0"], "'in-2-0' is not the id of a function call; they begin with fc-"),
    (["function", "calls", "fetch", "-n", "1001"], "1001 is not in the range"),
    (["function", "autoscaler", "update", "fetch"], "give at least one of --min-containers"),
]


def test_an_input_that_ran_when_its_server_was_killed_has_its_lines(tmp_path: Path) -> None:
    made_home(tmp_path, killed=True)
    assert run(tmp_path, "logs", "--input", "in-1-7").stdout == "half-way\n"
    shown = run(tmp_path, "call", "in-1-7")
    assert (shown.exit_code, "its server was killed before it ended" in shown.stderr) == (1, True)
    assert "motet logs --function-call fc-1" in shown.stderr


@pytest.mark.parametrize(("arguments", "message"), MISSING, ids=lambda it: " ".join(it) if isinstance(it, list) else "")
def test_what_is_not_there_is_told_on_one_line(home: Path, arguments: list[str], message: str) -> None:
    result = run(home, *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert message.replace("HOME", str(home)) in line


@pytest.mark.parametrize(
    ("arguments", "message"), SENSELESS, ids=lambda it: " ".join(it) if isinstance(it, list) else ""
)
def test_what_makes_no_sense_is_refused_with_the_form_it_should_have(
    home: Path, arguments: list[str], message: str
) -> None:
    result = run(home, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_where_nothing_has_run_lists_are_empty_and_say_where_they_looked(tmp_path: Path) -> None:
    assert ask(tmp_path, "app", "list") == ask(tmp_path, "container", "list") == ask(tmp_path, "function", "list") == []
    assert f"No containers: no server runs under {tmp_path}" in run(tmp_path, "container", "list").stderr
    assert f"No server runs under {tmp_path}" in run(tmp_path, "top", "--once").stderr
    assert lines(tmp_path) == []


def test_containers_that_have_ended_are_listed_with_their_level_and_end(home: Path) -> None:
    listed = {each["container_id"]: each for each in ask(home, "container", "list", "--all")}
    assert {name: (each["isolation"], each["state"], each["function_name"]) for name, each in listed.items()} == {
        "ta-00001": ("bubblewrap", "ended", "fetch"),
        "ta-00002": ("", "ended", "fetch"),
        "ta-00003": ("", "ended", "order"),
    }
    assert "killed by signal 9" in listed["ta-00001"]["end"]
    shown = run(home, "container", "list", "--all").stdout
    assert "bubblewrap" in shown
    assert "ended" in shown


def test_records_that_cannot_be_read_are_told_and_hide_no_others(tmp_path: Path) -> None:
    made_home(tmp_path)
    broken = tmp_path / "servers" / "se-2"
    broken.mkdir()
    (broken / "records.db").write_bytes(b"no database at all, but long enough to be taken for one" * 10)
    result = run(tmp_path, "app", "list")
    assert "shop" in result.stdout
    assert "left out: records of 1 server, such as: cannot" in result.stderr
