"""Schedules on a server of real processes, through the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from motet.cli.main import motet as command_line
from tests.e2e.conftest import wait_until
from tests.e2e.standing import PATIENCE, standing_server

CLOCKWORK = """
import motet

app = motet.App("clockwork")


@app.function(schedule=motet.Period(seconds=1))
def tick(by: str = "the clock") -> str:
    return by


@app.function(schedule=motet.Cron("0 6 * * *", timezone="Europe/Berlin", missed="skip"))
def report() -> None:
    print("a report")


@app.local_entrypoint()
def main() -> None:
    print(tick.remote("hand"))
"""


def test_a_deployed_function_runs_by_itself_and_can_be_paused_and_run_by_hand(tmp_path: Path) -> None:
    (tmp_path / "clockwork.py").write_text(CLOCKWORK)
    home = tmp_path / "home"

    def invoke(*command: str) -> Result:
        return CliRunner().invoke(command_line, list(command), env={"MOTET_HOME": str(home), "MOTET_SERVER": ""})

    def motet(*command: str, status: int = 0) -> str:
        done = invoke(*command)
        assert done.exit_code == status, done.output
        return done.stdout if status == 0 else done.stderr

    def schedules(*of: str) -> dict[str, dict[str, Any]]:
        return {it["function"]: it for it in json.loads(motet("schedule", "list", *of, "--json"))}

    with standing_server(home) as server:
        assert motet("schedule", "list") == ""
        server.motet("deploy", "clockwork.py", cwd=tmp_path, PYTHONDONTWRITEBYTECODE="1")
        report = schedules()["report"]
        assert report["when"] == "0 6 * * * (Europe/Berlin)"
        assert report["next_at"] is not None

        wait_until(lambda: schedules("clockwork")["tick"]["call_id"] != "", "the first run")
        first = schedules()["tick"]["call_id"]
        wait_until(lambda: "1 succeeded" in invoke("call", first).output, "the run to end, and to be kept")
        motet("schedule", "pause", "clockwork", "tick")
        table = motet("schedule", "list").splitlines()
        assert table[0].split()[:4] == ["app", "function", "next", "run"]
        assert "paused" in next(line for line in table if " tick " in line)
        call_id = motet("schedule", "run", "clockwork", "report").strip()
        wait_until(lambda: "a report" in invoke("logs", "--function-call", call_id).output, "what it printed")
        motet("schedule", "resume", "clockwork", "tick")
        assert not schedules()["tick"]["paused"]
        said = motet("schedule", "pause", "clockwork", "main", status=1)
        assert "no scheduled function 'main' (those with a schedule: report, tick)" in said


def test_a_program_that_is_run_runs_nothing_by_itself() -> None:
    example = Path(__file__).parents[2] / "examples/server/clockwork.py"
    command = [sys.executable, "-m", "motet", "run", str(example)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert "the report of 2026-03-29" in done.stdout
    assert "looking for what has changed" not in done.stdout + done.stderr
