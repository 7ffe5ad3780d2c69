"""What images ask for: the files that it is read from, and which of them this machine lacks."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from motet.context.container import is_local
from motet.errors import InvalidError


def requirement_lines(path: str | os.PathLike[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The lines of a file in pip's format and of the files it includes (`-r`), and its constraints (`-c`): requirements with
    their hashes, and options. Raises `InvalidError` if a file is not there."""
    constraints: list[str] = []
    return tuple(_lines(Path(path), set(), constraints)), tuple(constraints)


def _lines(path: Path, seen: set[Path], constraints: list[str]) -> Iterator[str]:
    if path.resolve() in seen:
        return
    seen.add(path.resolve())
    for line in _read(path).replace("\\\n", " ").splitlines():
        text = " ".join(re.sub(r"(?:^|\s)#.*$", "", line).split())
        if included := re.match(r"(?:-r|--requirement)[\s=]*(.+)", text):
            yield from _lines(path.parent / included.group(1), seen, constraints)
        elif held := re.match(r"(?:-c|--constraint)[\s=]*(.+)", text):
            constraints += _lines(path.parent / held.group(1), seen, constraints)
        elif text:
            yield text


def pyproject_requirements(path: str | os.PathLike[str], extras: Sequence[str]) -> list[str]:
    """The dependencies in a `pyproject.toml`, and those of the named extras. Raises `InvalidError`."""
    import tomllib  # late: few programs have their requirements there

    try:
        project = tomllib.loads(_read(Path(path))).get("project", {})
    except tomllib.TOMLDecodeError as error:
        raise InvalidError(f"{os.fspath(path)} is not valid TOML: {error}") from error
    optional = project.get("optional-dependencies", {})
    unknown = [extra for extra in extras if extra not in optional]
    if unknown:
        raise InvalidError(
            f"{os.fspath(path)} has no optional dependencies {unknown[0]!r}; it has: {', '.join(optional) or 'none'}"
        )
    return [*project.get("dependencies", []), *(name for extra in extras for name in optional[extra])]


def project_file(path: str | os.PathLike[str], *, may_be_missing: bool = False) -> str:
    """What stands in a file of a project; "" in containers, which need not have it. Raises `InvalidError`."""
    file = Path(path)
    return "" if not is_local() or (may_be_missing and not file.exists()) else _read(file)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InvalidError(f"{path} cannot be read: {error.strerror}") from error
