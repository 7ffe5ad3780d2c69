"""Motet itself, for the Python of an image: a directory that is mounted there, so that another Motet needs no other images.

It comes last where Python looks for modules: what an image has installed itself goes first.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import msgspec

from motet.errors import ServiceError
from motet.model.version import VERSION

NEEDED = ("cloudpickle", "msgspec", "uvloop", "tzdata")
"""What runs in every container, beside Motet."""

OLDEST = (3, 11)


class ImagePython(msgspec.Struct, frozen=True, kw_only=True):
    """The Python of an image. `tag`: which compiled modules it loads; `libc`: of what, "" where it is not glibc."""

    executable: str
    version: tuple[int, int]
    tag: str
    machine: str
    libc: str


QUESTION = (
    "import json, platform, sys, sysconfig; print(json.dumps({'executable': sys.executable, 'version': sys.version_info[:2], "
    "'tag': sysconfig.get_config_var('SOABI') or '', 'machine': platform.machine(), 'libc': platform.libc_ver()[0]}))"
)
"""What a Python of any version answers with one of these, as JSON."""


def own_python() -> ImagePython:
    """The one that this process runs."""
    return ImagePython(
        executable=sys.executable,
        version=(sys.version_info[0], sys.version_info[1]),
        tag=str(sysconfig.get_config_var("SOABI") or ""),
        machine=platform.machine(),
        libc=platform.libc_ver()[0],
    )


def runtime_for(python: ImagePython, directory: Path, uv: Callable[[], Path]) -> Path:
    """The files for such a Python below `directory`, which are made if they are not there. Raises `ServiceError`."""
    versions = {name: importlib.metadata.version(name) for name in NEEDED}
    source = Path(__file__).parents[2]
    key = hashlib.sha256(repr((VERSION, _state_of(source), sorted(versions.items()))).encode()).hexdigest()[:16]
    target = directory / f"{python.tag or 'python'}-{python.libc or 'other'}-{key}"
    directory.mkdir(parents=True, exist_ok=True)
    with open(directory / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.exists():
            return target
        aside = directory / f"{target.name}.new"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        try:
            if _is_like_own(python):
                for name in NEEDED:
                    _copy(name, aside)
            else:
                _install(versions, python, aside, uv())
            shutil.copytree(source, aside / "motet", ignore=shutil.ignore_patterns("__pycache__"))
            aside.rename(target)
        except OSError as error:
            raise ServiceError(f"Motet's files for an image cannot be put together in {directory}: {error}") from error
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return target


def _is_like_own(python: ImagePython) -> bool:
    own = own_python()
    return (python.tag, python.machine, python.libc) == (own.tag, own.machine, own.libc)


def _state_of(source: Path) -> tuple[int, int]:
    """Which files of Motet these are: an installed one does not change, one that is worked on does."""
    newest = count = 0
    for at, directories, files in os.walk(source):
        directories[:] = [name for name in directories if name != "__pycache__"]
        for name in files:
            newest, count = max(newest, os.stat(os.path.join(at, name)).st_mtime_ns), count + 1
    return newest, count


def _copy(name: str, target: Path) -> None:
    distribution = importlib.metadata.distribution(name)
    for file in distribution.files or ():
        path = Path(str(distribution.locate_file(file)))
        if ".." not in file.parts and "__pycache__" not in file.parts and path.is_file():
            there = target / file
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, there)


def _install(versions: dict[str, str], python: ImagePython, target: Path, uv: Path) -> None:
    machine = {"x86_64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}.get(python.machine, python.machine)
    version = ".".join(map(str, python.version))
    command = [
        str(uv),
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--target",
        str(target),
        "--python-version",
        version,
        "--python-platform",
        f"{machine}-{'manylinux_2_28' if python.libc == 'glibc' else 'unknown-linux-musl'}",
        *(f"{name}=={version}" for name, version in versions.items()),
    ]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServiceError(
            f"the image has Python {version}, and what Motet needs there ({', '.join(versions)}) could not be installed for "
            f"it: {done.stderr.strip()}"
        )
