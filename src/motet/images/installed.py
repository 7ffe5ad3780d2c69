"""What the base environment, in which this process runs, has of what images ask for."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

from motet.images.recipe import Recipe

_PLAIN = r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*\(?([^();]*)\)?\s*"
_UNCHECKED = "cannot be checked"


def missing_from_base(recipe: Recipe) -> list[str]:
    """What the base lacks, in words; empty if it has all. Functions that prepare an image are not looked for."""
    return [*_other_python(recipe.python), *missing_packages(recipe.requirements)]


def is_python(wanted: str, version: tuple[int, ...] = tuple(sys.version_info[:3])) -> bool:
    """Whether a version of Python is one that was asked for, such as "3.12"; "" is any. Only the first two numbers count."""
    return wanted.split(".")[:2] in ([""], [str(version[0])], [str(part) for part in version[:2]])


def _other_python(wanted: str) -> list[str]:
    if is_python(wanted):
        return []
    return [f"Python {'.'.join(map(str, sys.version_info[:3]))} runs here, {wanted} was asked for"]


def missing_packages(requirements: tuple[str, ...]) -> list[str]:
    """What this environment lacks of requirements, in words; empty if nothing. One entry per requirement."""
    try:
        import packaging.requirements  # noqa: F401 - not a dependency of ours; used where it is installed anyway

        finding: Callable[[str], str | None] = _finding_with_packaging
    except ImportError:
        finding = finding_without_packaging
    return [found for it in dict.fromkeys(requirements) if (found := finding(it)) is not None]


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
