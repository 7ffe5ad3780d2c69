"""Where a version of Python is on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from motet.errors import ImageBuildError
from motet.images.installed import is_python

OLDEST = (3, 11)
"""The oldest Python that containers can run."""

_ANSWER_TIMEOUT = 30.0
_SAY = "import sys; print(*sys.version_info[:3]); print(sys.executable)"


def interpreter(wanted: str) -> str:
    """The path of a Python of the wanted version ("3.12"; "" is any): this one, one on PATH, or one of pyenv's or uv's. Raises
    `ImageBuildError` if there is none, or if Motet cannot run on it."""
    numbers = wanted.split(".")
    if wanted and (
        not all(part.isdigit() for part in numbers) or tuple(map(int, numbers[:2])) < OLDEST[: len(numbers)]
    ):
        raise ImageBuildError(
            f"the image asks for Python {wanted}; containers run Motet, which needs {OLDEST[0]}.{OLDEST[1]} or newer"
        )
    if is_python(wanted):
        return sys.executable
    short = ".".join(numbers[:2])
    for candidate in _candidates(short):
        if (found := _answer(candidate, wanted)) is not None:
            return found
    raise ImageBuildError(
        f"the image asks for Python {wanted}, which is not on this machine. Install it (`uv python install {short}`, "
        f"`pyenv install {short}`, or the system's packages), or leave python_version out for "
        f"{sys.version_info[0]}.{sys.version_info[1]}, which runs here"
    )


def _candidates(version: str) -> Iterator[Path]:
    name = f"python{version}"
    for directory in (*os.environ.get("PATH", "").split(os.pathsep), "/usr/bin", "/usr/local/bin"):
        # A shim of pyenv answers for the version of the directory it is called in.
        if directory and "shims" not in directory and (found := shutil.which(name, path=directory)):
            yield Path(found)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    uvs = Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or Path.home() / ".local/share/uv/python")
    for place, pattern in ((pyenv / "versions", f"{version}.*"), (uvs, f"cpython-{version}.*")):
        if place.is_dir():
            yield from (each / "bin" / name for each in sorted(place.glob(pattern), reverse=True))


def _answer(candidate: Path, wanted: str) -> str | None:
    """The interpreter that this is, if it runs and is of the wanted version."""
    try:
        answer = subprocess.run(
            [str(candidate), "-I", "-S", "-c", _SAY],
            capture_output=True,
            text=True,
            timeout=_ANSWER_TIMEOUT,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    version, _, path = answer.stdout.strip().partition("\n")
    return path if path and is_python(wanted, tuple(map(int, version.split()))) else None
