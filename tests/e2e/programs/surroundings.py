"""What the tests of a container's surroundings run: code that looks for files, modules and a terminal."""

from __future__ import annotations

import os
import pdb
import tempfile
from pathlib import Path

import motet

app = motet.App("surroundings")


@app.function()
def write_here(name: str) -> str:
    Path(name).write_text("kept")
    return Path(name).read_text()


@app.function()
def leave_a_temporary_file() -> str:
    with tempfile.NamedTemporaryFile(prefix="left-", delete=False) as file:
        return file.name


@app.function()
def puzzle(what: str) -> None:
    match what:
        case "file":
            os.chdir("/")
            open("pyproject.toml")  # noqa: SIM115
        case "module":
            __import__("no_such_module")
        case "input":
            input("name? ")
        case "breakpoint":
            pdb.set_trace()
            os.getcwd()


@app.function(max_containers=1, timeout=1, startup_timeout=60)
def call_itself(depth: int) -> int:
    return 1 + call_itself.remote(depth - 1) if depth else 0
