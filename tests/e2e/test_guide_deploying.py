"""The page of the guide about deployments, done as it says: files are written, and commands print what stands there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.e2e.standing import PATIENCE, standing_server

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "deploying.md"
BLOCKS = re.compile(r"```(python|console)\n(.*?)```", re.DOTALL)
SAID_ELSEWHERE = ("motet server", "motet run --detach", "export", "motet deploy --on-failure")
"""What other tests run, what does not end, and what is for a shell."""
PROGRAMS = {"motet": [sys.executable, "-m", "motet"], "python": [sys.executable]}
MEASURED = [
    (r"\d+(\.\d+)? (ms|s)\b", "TIME"),
    (r"127\.0\.0\.1:\d+", "ADDRESS"),
    (r"(source|to be sent): .*", r"\1: SIZE"),
]


def without_figures(text: str) -> str:
    """With a word in place of what is measured."""
    for pattern, word in MEASURED:
        text = re.sub(pattern, word, text)
    return text


def test_commands_print_what_the_page_says(tmp_path: Path) -> None:
    with standing_server(tmp_path / "home") as server:
        ran = 0
        for kind, block in BLOCKS.findall(PAGE.read_text()):
            if kind == "python":
                (tmp_path / block.partition("\n")[0].removeprefix("# ")).write_text(block)
                continue
            for command, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
                if command.startswith(SAID_ELSEWHERE):
                    continue
                program, *arguments = shlex.split(command)
                done = subprocess.run(
                    [*PROGRAMS[program], *arguments],
                    cwd=tmp_path,
                    env={**server.client_env, "MOTET_SERVER": ""},
                    capture_output=True,
                    text=True,
                    timeout=PATIENCE,
                    check=False,
                )
                assert done.returncode == 0, (command, done.stderr)
                assert without_figures(done.stdout) == without_figures(output), command
                ran += 1
        assert ran == 8
