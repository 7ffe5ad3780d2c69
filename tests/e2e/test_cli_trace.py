"""`motet trace record`: a program's load is written down, and can be simulated."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

MOTET = [sys.executable, "-c", "from motet.cli.main import main; main()"]
PROGRAM = """
import asyncio
import motet

app = motet.App("demo")


@app.function()
@motet.concurrent(max_inputs=20)
async def nap(seconds: float):
    await asyncio.sleep(seconds)


@app.local_entrypoint()
def main(count: int = 3):
    list(nap.map([0.2] * count))
"""


def motet(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*MOTET, *arguments], cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


def test_a_recorded_load_can_be_simulated(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(PROGRAM)
    done = motet("trace", "record", "-o", "out", "app.py", "--count", "30", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Recorded out/nap.csv" in done.stderr
    containers = (tmp_path / "out" / "nap.containers.csv").read_text().splitlines()
    assert containers[0] == "wanted,ready,told,ended"
    for line in containers[1:]:
        wanted, ready, told, ended = map(float, line.split(","))
        assert 0 <= wanted < ready <= told <= ended
    assert len(containers) == 1 + 2
    simulated = motet(
        "simulate", "--trace", "out/nap.csv", "--max-inputs", "20", "--cold-start", "0", "--json", cwd=tmp_path
    )
    assert simulated.returncode == 0, simulated.stderr
    numbers = json.loads(simulated.stdout)
    assert (numbers["inputs"], numbers["errors"], numbers["peak_containers"]) == (30, 0, 2)
    assert 0.15 < numbers["p50"] < 5


def test_a_program_that_is_not_there_is_refused_as_by_motet_run(tmp_path: Path) -> None:
    done = motet("trace", "record", "missing.py", cwd=tmp_path)
    assert done.returncode == 2
    assert "missing.py" in done.stderr
    assert "Recorded" not in done.stderr
