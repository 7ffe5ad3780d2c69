"""Environments as `motet run` has them built."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from motet.images.cache import EnvironmentCache
from motet.images.kept import KeptImages

BUILT = """
import sys
import motet

app = motet.App("kites", image=motet.Image.debian_slim().pip_install("kite==1.0"))

@app.function()
def version() -> str:
    import kite
    return f"{kite.VERSION} {sys.prefix}"

@app.local_entrypoint()
def main() -> None:
    print(version.remote())
"""


class Runs:
    """Runs of one program in a directory, from the packages of an index alone."""

    def __init__(self, directory: Path) -> None:
        self.program = directory / "kites.py"
        self.env = {**os.environ, "MOTET_HOME": str(directory)}

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "motet", "run", *options, self.program.name]
        return subprocess.run(
            command,
            cwd=self.program.parent,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=self.env,
            stdin=subprocess.DEVNULL,
        )


def test_an_environment_is_built_for_a_run_and_found_by_the_next_one(tmp_path: Path, cache: EnvironmentCache) -> None:
    runs = Runs(tmp_path)
    runs.program.write_text(BUILT)
    built = runs.run("--build")
    (kept,) = KeptImages(cache.directory, os.environ).listed()
    there = f"1.0 {cache.environments / kept.name}\n"
    assert (built.returncode, built.stdout) == (0, there)
    assert "image: Installing 2 packages" in built.stderr
    found = runs.run()
    assert (found.returncode, found.stdout) == (0, there)
    assert "image:" not in found.stderr
    assert list(kept.apps) == ["kites"]


@pytest.mark.nightly
def test_a_run_whose_environment_cannot_be_built_says_why_and_keeps_the_log(
    tmp_path: Path, cache: EnvironmentCache
) -> None:
    runs = Runs(tmp_path)
    runs.program.write_text(BUILT.replace("kite==1.0", "kite==7.0"))
    failed = runs.run("--build")
    assert failed.returncode == 1
    assert "there is no version of kite==7.0" in failed.stderr
    log = KeptImages(cache.directory, os.environ).last_log()
    assert log is not None
    assert "there is no version of kite==7.0" in log.read_text()
