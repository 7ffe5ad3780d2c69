"""The page on calling over HTTP: its app is deployed, and each of its commands is run and prints what stands there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.standing import standing_server

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "http-api.md"
PROGRAM = re.compile(r"```python\n(# shop\.py.*?)```", re.DOTALL)
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
CALL_ID = re.compile(r'"call_id":"(fc-\w+)"')


def commands() -> list[tuple[str, str]]:
    """Each command and its output, in the order of the page."""
    found = []
    for block in BLOCK.findall(PAGE.read_text()):
        for each in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = each.partition("\n")
            found.append((command, output))
    return found


def as_pattern(output: str) -> str:
    return re.escape(output).replace(re.escape("..."), ".*?")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is missing")
def test_each_command_prints_what_the_page_says(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(PROGRAM.findall(PAGE.read_text())[0])
    with standing_server(tmp_path / "home", "--port", "0") as server:
        api = next(re.search(r"tcp:(\S+?),? ", line) for line in server.said if "tcp:" in line)
        token = next(line.rpartition(" ")[2].strip() for line in server.said if "Admin token" in line)
        deploy = [sys.executable, "-c", "import shop; shop.app.deploy()"]
        subprocess.run(deploy, cwd=tmp_path, env=server.client_env, check=True, timeout=60)
        assert api is not None
        environment = {**os.environ, "API": f"http://{api[1]}/v1", "MOTET_HOME": str(server.home), "MOTET_TOKEN": token}
        for command, output in commands():
            if "Authorization" not in command and "--unix-socket" not in command:
                command = command.replace("curl", 'curl -H "Authorization: Bearer $MOTET_TOKEN"', 1)  # noqa: PLW2901
            ended = subprocess.run(
                ["bash", "-c", f"{command} --silent --show-error"],
                env=environment,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            said = ended.stdout if ended.stdout.endswith("\n") else f"{ended.stdout}\n"
            assert ended.returncode == 0, ended.stderr
            assert re.fullmatch(as_pattern(output), said, re.DOTALL), f"{command}\nprinted {said}\nand not {output}"
            if (found := CALL_ID.search(said)) is not None:
                environment["CALL"] = found[1]
