"""What of a directory does not travel: what never does, and what `ignore=` of an image says."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from motet.errors import InvalidError

Ignores = Callable[[str], bool]
"""Whether a path, relative to its directory and with `/`, stays at home."""

_NEVER = {
    ".git",
    ".hg",
    ".svn",
    ".venv",
    ".tox",
    ".nox",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".ipynb_checkpoints",
    ".DS_Store",
    "__pycache__",
    "node_modules",
}

_functions: dict[str, Callable[[Path], bool]] = {}
_numbers = itertools.count(1)
_FUNCTION = "function:"


def never_travels(name: str) -> bool:
    """Whether files and directories of this name are left out everywhere: caches, repositories, environments."""
    return name in _NEVER or name.endswith((".pyc", ".pyo"))


def kept_patterns(method: str, ignore: object) -> tuple[str, ...]:
    """What an image keeps of its `ignore=`: patterns as they are, and names for functions, which stay in this process. Raises
    `InvalidError` for anything else."""
    if callable(ignore):
        name = f"{_FUNCTION}{next(_numbers)}"
        _functions[name] = ignore
        return (name,)
    if isinstance(ignore, list | tuple) and all(isinstance(it, str) for it in ignore):
        return tuple(ignore)
    raise InvalidError(f"Image.{method}: `ignore` takes a list of patterns or a function of a path, not {ignore!r}")


def ignores(patterns: Sequence[str]) -> Ignores:
    """As in a `.dockerignore`: `*` stops at `/`, `**` does not, `!` takes back; what matches a directory goes for all in it."""
    rules = [(not it.startswith("!"), _matcher(it.removeprefix("!"))) for it in patterns]

    def ignored(path: str) -> bool:
        verdict = False
        for said, matches in rules:
            if said != verdict and matches(path):
                verdict = said
        return verdict

    return ignored


def _matcher(pattern: str) -> Callable[[str], bool]:
    if pattern.startswith(_FUNCTION):
        function = _functions[pattern]
        return lambda path: bool(function(Path(path)))
    try:
        expression = re.compile(_translated(pattern.strip().strip("/")) + r"(?:/.*)?", re.DOTALL)
    except re.error as error:
        raise InvalidError(f"{pattern!r} in an image's `ignore` is no pattern: {error}") from None
    return lambda path: expression.fullmatch(path) is not None


def _translated(pattern: str) -> str:
    found = []
    at = 0
    while at < len(pattern):
        if pattern.startswith("**/", at):
            found.append("(?:.*/)?")
            at += 3
        elif pattern.startswith("**", at):
            found.append(".*")
            at += 2
        elif pattern[at] == "*":
            found.append("[^/]*")
            at += 1
        elif pattern[at] == "?":
            found.append("[^/]")
            at += 1
        elif pattern[at] == "[" and (end := pattern.find("]", at + 2)) > 0:
            inner = pattern[at + 1 : end].replace("\\", r"\\").replace("[", r"\[")
            found.append(f"[{'^' + inner[1:] if inner[0] in '!^' else inner}]")
            at = end + 1
        else:
            found.append(re.escape(pattern[at]))
            at += 1
    return "".join(found)
