"""An app that says as whom its containers run, and what they can reach; deployed under two names."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import motet

app = motet.App("first")
IMPORTED_AS = os.getuid()


@app.function(serialized=False)
def look(victim: dict[str, object] | None = None) -> dict[str, object]:
    """Who and where this container is; `victim`: what another one has said of itself."""
    Path.home().joinpath("mine").write_text("kept")
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"kept")
    Path.home().joinpath(".cache").mkdir(exist_ok=True)
    with open("/dev/stdout", "w") as stdout:
        stdout.write("opened anew\n")
    return {
        "uid": os.getuid(),
        "bundle": os.access(os.getcwd(), os.W_OK),
        "python": subprocess.run(
            [sys.executable, "-c", "import motet; print(motet.__name__)"], check=False, text=True, capture_output=True
        ).stdout,
        "child": double.remote(4),
        "pid": os.getpid(),
        "directory": str(Path.home()),
        "reads": [] if victim is None else reached(victim),
        "file": __file__,
    }


def reached(victim: dict[str, object]) -> list[str]:
    """What of another app's container this one gets at."""
    found = []
    paths = (
        f"/proc/{victim['pid']}/environ",
        f"{victim['directory']}/mine",
        str(victim["file"]),
        f"{os.environ['OWNERS_HOME']}/server/tokens.json",
    )
    for path in paths:
        try:
            os.listdir(path) if os.path.isdir(path) else Path(path).read_bytes()
        except OSError:
            continue
        found.append(path)
    try:
        os.kill(int(str(victim["pid"])), 0)
        found.append("kill")
    except PermissionError:
        pass
    return found


@app.function(memory=(128, 1024), cpu=(0.5, 2.0))
def double(number: int) -> int:
    """Runs with limits, and so in control groups."""
    assert os.getuid() != 0
    return 2 * number


@app.function(enable_memory_snapshot=True)
def snapshot() -> tuple[int, int]:
    """Was imported by its template."""
    return IMPORTED_AS, os.getuid()
