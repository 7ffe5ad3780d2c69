"""What images ask for: where requirement strings are read from, and what this machine lacks."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from motet.context.container import is_local
from motet.errors import InvalidError
from motet.model.image import ImageSpec

_PLAIN = r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*\(?([^();]*)\)?\s*"
_UNCHECKED = "cannot be checked"


def missing_packages(image: ImageSpec) -> list[str]:
    """What this environment lacks of what the image asks for, in words; empty if nothing. One entry per requirement."""
    try:
        import packaging.requirements  # noqa: F401 - not a dependency of ours; used where it is installed anyway

        finding: Callable[[str], str | None] = _finding_with_packaging
    except ImportError:
        finding = finding_without_packaging
    return [found for it in dict.fromkeys(image.requirements) if (found := finding(it)) is not None]


def missing_files(image: ImageSpec) -> list[str]:
    """The paths at which the image has files and this machine has none, in words; empty if nothing."""
    missing = (it for it in image.files if it.kind != "module" and not os.path.exists(it.target))
    return list(dict.fromkeys(f"{it.target} is not on this machine, {it.source} is" for it in missing))


def _finding_with_packaging(requirement: str) -> str | None:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        parsed = Requirement(requirement)
    except InvalidRequirement:
        return f"{requirement} {_UNCHECKED}"
    if parsed.url:
        return f"{requirement} {_UNCHECKED}"
    if parsed.marker is not None and not parsed.marker.evaluate():
        return None
    installed = _installed_version(parsed.name)
    if installed is None:
        return f"{parsed.name} is not installed"
    if parsed.specifier.contains(installed, prereleases=True):
        return None
    return f"{parsed.name} {installed} is installed, {requirement} was asked for"


def finding_without_packaging(requirement: str) -> str | None:
    """As `missing_packages` for one requirement, by our own means: of version ranges only `==` is compared."""
    plain = re.fullmatch(_PLAIN, requirement.strip())
    if plain is None:
        return f"{requirement} {_UNCHECKED}"
    name, versions = plain.group(1), plain.group(2).strip()
    if versions and not re.match(r"[=<>!~]", versions):
        return f"{requirement} {_UNCHECKED}"
    installed = _installed_version(name)
    if installed is None:
        return f"{name} is not installed"
    pins = [part.strip()[2:].strip() for part in versions.split(",") if re.match(r"\s*==[^=]", part)]
    if all(_is_version(installed, pin) for pin in pins):
        return None
    return f"{name} {installed} is installed, {requirement} was asked for"


def _installed_version(name: str) -> str | None:
    from importlib import metadata  # late: slow to import, and most programs ask for nothing

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _is_version(installed: str, pin: str) -> bool:
    if pin.endswith(".*"):
        wanted = pin[:-2].split(".")
        return installed.split(".")[: len(wanted)] == wanted
    return _without_zeros(installed) == _without_zeros(pin)


def _without_zeros(version: str) -> str:
    return re.sub(r"(?:\.0+)+$", "", version.split("+", maxsplit=1)[0])


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
