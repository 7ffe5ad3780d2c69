"""What containers need of Motet, for an environment that has none: a directory of links to what is installed in the base."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import sys
from importlib import metadata
from pathlib import Path

_NEEDED = ("cloudpickle", "cronsim", "click", "msgspec", "rich", "tzdata", "uvloop")
_BOUNDS = {"cloudpickle": ">=3.0", "msgspec": ">=0.19", "uvloop": ">=0.19"}
"""What containers import: an environment may have another version of these, and no older one than Motet needs."""


def base_name() -> str:
    """What tells this base environment from others of the machine."""
    return f"{_package()} {sys.prefix} {sys.version_info[:3]}"


def constraints() -> list[str]:
    """What has to hold for packages of an environment that containers share with user code."""
    return [f"{name}{bound}" for name, bound in _BOUNDS.items()]


def to_install(is_same_python: bool) -> list[str]:
    """Requirements that an environment must have itself: what is compiled, for another Python than this one."""
    if is_same_python:
        return []
    return [f"{name}{_BOUNDS.get(name, '')}" for name in _NEEDED if not _is_pure(name)]


def linked_runtime(directory: Path, is_same_python: bool) -> Path:
    """The directory to add to the end of an environment's search path. It has its links anew if the base has changed: the path
    stays the same. Safe to call by several processes at the same time."""
    links = dict(_links(is_same_python))
    told = "".join(f"{name} {target}\n" for name, target in sorted(links.items()))
    base = hashlib.sha256(f"{base_name()} {is_same_python}".encode()).hexdigest()[:16]
    content = directory / f"{base}-{hashlib.sha256(told.encode()).hexdigest()[:16]}"
    directory.mkdir(parents=True, exist_ok=True)
    if not content.is_dir():
        aside = directory / f".{secrets.token_hex(8)}"
        aside.mkdir()
        for name, target in links.items():
            (aside / name).symlink_to(target)
        with contextlib.suppress(OSError):  # another process was first
            aside.rename(content)
    stable = directory / base
    if not stable.is_symlink() or os.readlink(stable) != content.name:
        aside = directory / f".{secrets.token_hex(8)}"
        aside.symlink_to(content.name)
        os.replace(aside, stable)
    return stable


def _package() -> Path:
    return Path(__file__).resolve().parent.parent


def _links(is_same_python: bool) -> list[tuple[str, Path]]:
    found = [("motet", _package())]
    with contextlib.suppress(metadata.PackageNotFoundError):
        found += [it for it in _of_distribution(metadata.distribution("motet")) if ".dist-info" in it[0]]
    waiting, seen = list(_NEEDED), set()
    while waiting:
        name = _canonical(waiting.pop())
        if name in seen:
            continue
        seen.add(name)
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # an extra, or one for another system
        if not is_same_python and not _is_pure(name):
            continue
        found += _of_distribution(distribution)
        for requirement in distribution.requires or ():
            if "extra ==" not in requirement and (match := re.match(r"[A-Za-z0-9._-]+", requirement)):
                waiting.append(match.group())
    return found


def _of_distribution(distribution: metadata.Distribution) -> list[tuple[str, Path]]:
    tops = {file.parts[0] for file in distribution.files or () if file.parts}
    places = ((top, Path(str(distribution.locate_file(top)))) for top in tops if not _is_no_module(top))
    return [(top, place) for top, place in places if place.exists()]


def _is_no_module(top: str) -> bool:
    return top in ("..", "bin", "__pycache__") or top.endswith(".pth")


def _is_pure(name: str) -> bool:
    try:
        wheel = metadata.distribution(name).read_text("WHEEL")
    except metadata.PackageNotFoundError:
        return True
    return "Root-Is-Purelib: true" in (wheel or "")


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
