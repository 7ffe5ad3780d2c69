"""The programs in the guide, run as the page says: each prints what stands there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "guide"
PAGES = sorted(set(GUIDE.glob("*.md")) - {GUIDE / "deploying.md"})  # which has a test of its own, with a server
FILES = re.compile(r"```python\n# (\w+\.py)\n(.*?)```", re.DOTALL)
RUNS = re.compile(r"```console\n\$ ((?:motet run|python) (\w+\.py))\n(.*?)```", re.DOTALL)
DEPLOYS = re.compile(r"^\$ motet deploy (\w+\.py)$", re.MULTILINE)
PYTHON = {"motet": [sys.executable, "-m", "motet"], "python": [sys.executable]}


def runs() -> list[object]:
    """Each console block that runs a program of its page: the page, the command, and what it prints."""
    found = [(page, *run) for page in PAGES for run in RUNS.findall(page.read_text())]
    return [pytest.param(page, command, output, id=f"{page.stem}-{name}") for page, command, name, output in found]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_program_of_a_page_is_run_there(page: Path) -> None:
    text = page.read_text()
    # Files of tests are run in tests/testing.
    used = {*(name for _, name, _ in RUNS.findall(text)), *DEPLOYS.findall(text)}
    assert [name for name, _ in FILES.findall(text) if name not in used and not name.startswith("test_")] == []


@pytest.mark.parametrize(
    "page", [page for page in PAGES if DEPLOYS.search(page.read_text())], ids=lambda page: page.name
)
def test_program_that_a_page_deploys_can_be_imported(page: Path, tmp_path: Path) -> None:
    for name, text in FILES.findall(page.read_text()):
        (tmp_path / name).write_text(text)
    for name in DEPLOYS.findall(page.read_text()):
        code = f"import {name.removesuffix('.py')} as it; assert it.app.registered_functions"
        ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(("page", "command", "output"), runs())
def test_program_prints_what_the_page_says(page: Path, command: str, output: str, tmp_path: Path) -> None:
    for name, text in FILES.findall(page.read_text()):
        (tmp_path / name).write_text(text)
    program, *arguments = shlex.split(command)
    ended = subprocess.run(
        [*PYTHON[program], *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, output), ended.stderr
