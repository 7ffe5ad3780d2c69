"""Environments as `motet run` has them built."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from motet.images.cache import EnvironmentCache

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


def test_an_environment_is_built_for_a_run_and_found_by_the_next_one(tmp_path: Path, cache: EnvironmentCache) -> None:
    (tmp_path / "kites.py").write_text(BUILT)
    env = {**os.environ, "MOTET_HOME": str(tmp_path)}

    def motet(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "motet", *arguments]
        return subprocess.run(
            command,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=env,
            stdin=subprocess.DEVNULL,
        )

    built = motet("run", "--build", "kites.py")
    (listed,) = cache.listed()
    there = f"1.0 {cache.environments / listed.built.digest}\n"
    assert (built.returncode, built.stdout) == (0, there)
    assert "image: Installing 2 packages" in built.stderr
    found = motet("run", "kites.py")
    assert (found.returncode, found.stdout) == (0, there)
    assert "image:" not in found.stderr
    assert "kites" in motet("image", "list").stdout
    (tmp_path / "kites.py").write_text(BUILT.replace("kite==1.0", "kite==7.0"))
    failed = motet("run", "--build", "kites.py")
    assert failed.returncode == 1
    assert "there is no version of kite==7.0" in failed.stderr
    assert "there is no version of kite==7.0" in motet("image", "logs").stdout
