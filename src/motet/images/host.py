"""What images ask for that no environment can have, and whether the machine has it all the same."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping

from motet.images.recipe import out_of_reach
from motet.model.image import Entrypoint, ImageSpec, Step, SystemPackages

HOST_PACKAGES = "MOTET_HOST_PACKAGES"
_ANSWER_TIMEOUT = 30.0
_INSTEAD = 'needs a real image: use isolation="oci"'


def missing_on_host(image: ImageSpec, env: Mapping[str, str]) -> list[str]:
    """What the machine lacks of an image's steps that need a real image, in words. System packages that it has are no finding,
    nor are those that MOTET_HOST_PACKAGES names: the user says that it has them ("all": all, and all other steps, too)."""
    said = set(env.get(HOST_PACKAGES, "").replace(",", " ").split())
    if "all" in said:
        return []
    steps = out_of_reach(image)
    wanted = [name for step in steps if isinstance(step, SystemPackages) for name in step.packages]
    lacking = _not_installed([name for name in wanted if plain_name(name) not in said])
    found = [
        f"{name} is not installed on this machine: apt-get install {name}, {HOST_PACKAGES}={name} if it is there by another "
        f'way, or isolation="oci"'
        for name in lacking
    ]
    return [*found, *(_told(step) for step in steps if not isinstance(step, SystemPackages))]


def lacking_entrypoint(image: ImageSpec) -> list[str]:
    """That containers do not begin with the image's own program."""
    steps = image.of_kind(Entrypoint)[-1:]
    return [
        f'Image.{step} is not carried out: containers begin with Motet, and with this under isolation="oci" alone'
        for step in steps
        if step.command
    ]


def plain_name(package: str) -> str:
    """A package without its version or architecture: "ffmpeg=7:5.1" and "libc6:amd64" are "ffmpeg" and "libc6"."""
    return package.split("=", maxsplit=1)[0].split(":", maxsplit=1)[0].split("/", maxsplit=1)[0]


def _told(step: Step) -> str:
    text = str(step)
    shown = text if len(text) <= 80 else f"{text[:77]}..."
    return f"Image.{shown} is not carried out: it {_INSTEAD}, or {HOST_PACKAGES}=all if this machine has what it makes"


def _not_installed(packages: list[str]) -> list[str]:
    """Those that neither dpkg knows as installed nor are programs on PATH."""
    wanted = [
        name for name in dict.fromkeys(packages) if not name.startswith("-") and not shutil.which(plain_name(name))
    ]
    if not wanted or shutil.which("dpkg-query") is None:
        return wanted
    try:
        answer = subprocess.run(
            ["dpkg-query", "-W", "-f", "${Package} ${Status}\n", *map(plain_name, wanted)],
            capture_output=True,
            text=True,
            timeout=_ANSWER_TIMEOUT,
            check=False,  # it fails if it does not know one of them
        )
    except (OSError, subprocess.SubprocessError):
        return wanted
    installed = {line.split()[0] for line in answer.stdout.splitlines() if line.endswith(" installed")}
    return [name for name in wanted if plain_name(name) not in installed]
