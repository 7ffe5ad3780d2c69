"""What a Poetry project depends on: its requirements in the words of other tools, and the versions of its lock file."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from motet.errors import InvalidError

_MAIN = "main"


def poetry_requirements(
    path: str, pyproject: str, added: Sequence[str], left_out: Sequence[str], alone: Sequence[str]
) -> tuple[str, ...]:
    """The requirements of a project's groups: all but the optional ones, with those `added`, without those `left_out`, or these
    `alone`. `pyproject`: what stands in the file at `path`; "": nothing. Raises `InvalidError`."""
    if not pyproject:
        return ()
    groups = _groups(_parsed(path, pyproject))
    unknown = [name for name in (*added, *left_out, *alone) if name not in groups]
    if unknown:
        raise InvalidError(f"{path} has no group {unknown[0]!r}; it has: {', '.join(groups)}")
    optional = {name for name, (is_optional, _) in groups.items() if is_optional and name not in added}
    wanted = alone or [name for name in groups if name not in optional and name not in left_out]
    return tuple(dict.fromkeys(line for name in wanted for line in groups[name][1]))


def locked_versions(path: str | os.PathLike[str], lock: str) -> tuple[str, ...]:
    """The versions in a lock file, as requirements. None of packages that it has more than once, or that are not from an
    index. Raises `InvalidError`."""
    if not lock:
        return ()
    versions: dict[str, list[str]] = {}
    for package in _parsed(os.fspath(path), lock).get("package", []):
        from_index = package.get("source", {}).get("type", "legacy") == "legacy"
        versions.setdefault(package["name"], []).extend([package["version"]] if from_index else [])
    return tuple(f"{name}=={found[0]}" for name, found in versions.items() if len(found) == 1)


def poetry_indexes(path: str, pyproject: str) -> tuple[str, ...]:
    """The URLs of a project's sources, as far as it says them. Raises `InvalidError`."""
    sources = _parsed(path, pyproject).get("tool", {}).get("poetry", {}).get("source", [])
    return tuple(each["url"] for each in sources if "url" in each)


def _parsed(path: str, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidError(f"{path} is not valid TOML: {error}") from error


def _groups(project: Mapping[str, Any]) -> dict[str, tuple[bool, list[str]]]:
    """By name: whether a group is optional, and its requirements."""
    poetry = project.get("tool", {}).get("poetry", {})
    main = [*project.get("project", {}).get("dependencies", []), *_requirements(poetry.get("dependencies", {}))]
    found = {_MAIN: (False, main)}
    if "dev-dependencies" in poetry:
        found["dev"] = (False, list(_requirements(poetry["dev-dependencies"])))
    for name, group in poetry.get("group", {}).items():
        found[name] = (bool(group.get("optional", False)), list(_requirements(group.get("dependencies", {}))))
    return found


def _requirements(table: Mapping[str, Any]) -> Iterator[str]:
    for name, constraints in table.items():
        if name.lower() == "python":
            continue
        for constraint in constraints if isinstance(constraints, list) else [constraints]:
            said = {"version": constraint} if isinstance(constraint, str) else constraint
            if not said.get("optional", False):
                yield _requirement(name, said)


def _requirement(name: str, said: Mapping[str, Any]) -> str:
    extras = f"[{','.join(said['extras'])}]" if said.get("extras") else ""
    if "git" in said:
        revision = said.get("rev") or said.get("tag") or said.get("branch")
        what = f" @ git+{said['git']}{f'@{revision}' if revision else ''}"
    elif "url" in said:
        what = f" @ {said['url']}"
    elif "path" in said:
        what = f" @ file://{os.path.abspath(said['path'])}"
    else:
        what = _specifier(str(said.get("version", "*")))
    markers = [f"({said['markers']})"] if said.get("markers") else []
    markers += [f"python_version {each}" for each in _pythons(said.get("python"))]
    return f"{name}{extras}{what}{' ; ' + ' and '.join(markers) if markers else ''}"


def _pythons(constraint: str | None) -> list[str]:
    said = _specifier(constraint or "*")
    return [re.sub(r"^([=<>!~]+)(.+)$", r"\1 '\2'", part) for part in said.split(",") if part]


def _specifier(constraint: str) -> str:
    """Poetry's constraint in the words of other tools.

    >>> _specifier("^1.2"), _specifier("^0.3.1"), _specifier("~1.2"), _specifier("1.4"), _specifier(">=2, <3"), _specifier("*")
    ('>=1.2,<2', '>=0.3.1,<0.4', '>=1.2,<1.3', '==1.4', '>=2,<3', '')
    """
    return ",".join(filter(None, (_one(part.strip()) for part in constraint.split("||", maxsplit=1)[0].split(","))))


def _one(part: str) -> str:
    if part in ("*", ""):
        return ""
    if part.startswith("^"):
        version = part[1:].strip()
        numbers = version.split(".")
        at = next((index for index, number in enumerate(numbers) if number != "0"), len(numbers) - 1)
        return f">={version},<{_raised(numbers, at)}"
    if part.startswith("~") and not part.startswith("~="):
        version = part[1:].strip()
        numbers = version.split(".")
        return f">={version},<{_raised(numbers, min(1, len(numbers) - 1))}"
    return part.replace(" ", "") if re.match(r"[=<>!~]", part) else f"=={part}"


def _raised(numbers: Sequence[str], at: int) -> str:
    digits = re.match(r"\d+", numbers[at])
    return ".".join([*numbers[:at], str(int(digits.group() if digits else 0) + 1)])
