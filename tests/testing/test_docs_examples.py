"""The examples of the pages about testing are test files, and pass."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES = (DOCS / "testing.md").read_text() + (DOCS / "guide" / "testing-failures.md").read_text()
FILES = dict(re.findall(r"```python\n# (test_\w+\.py)\n(.*?)```", PAGES, re.DOTALL))


def test_every_block_of_the_pages_is_a_file() -> None:
    assert len(FILES) == PAGES.count("```python") == 3


@pytest.mark.parametrize("name", FILES)
def test_example_passes(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(FILES[name])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\d passed", done.stdout)
