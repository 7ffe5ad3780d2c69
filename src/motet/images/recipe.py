"""What an image asks of an environment: the steps that one can be built from, and those that it cannot have."""

from __future__ import annotations

import hashlib

import msgspec
from msgspec.structs import replace

from motet.model.hidden import hides_secrets
from motet.model.image import (
    AddedFiles,
    BuildShell,
    DebianSlim,
    DefaultCommand,
    Entrypoint,
    ImageSpec,
    LockedProject,
    PreparingFunction,
    PythonPackages,
    Step,
    Variables,
    WorkingDirectory,
)

_FORMAT = 1
"""Raised when the same recipe is to be built anew, because it is built otherwise."""

_encode = msgspec.json.Encoder(order="deterministic").encode
_OF_CONTAINERS = (Variables, WorkingDirectory, AddedFiles, Entrypoint, DefaultCommand, BuildShell)
"""Steps that containers see to, or that mean nothing where each begins with Motet's runtime."""


@hides_secrets
class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """The steps of one environment. `python`: the version asked for, such as "3.12"; empty: any."""

    python: str = ""
    packages: tuple[PythonPackages | LockedProject, ...] = ()
    functions: tuple[PreparingFunction, ...] = ()
    env: dict[str, str] = msgspec.field(default_factory=dict)

    @classmethod
    def of(cls, image: ImageSpec) -> Recipe:
        """That of an image."""
        return cls(
            python=image.python_version,
            packages=tuple(step for step in image.steps if isinstance(step, PythonPackages | LockedProject)),
            functions=image.of_kind(PreparingFunction),
            env=image.env if image.of_kind(PreparingFunction) else {},
        )

    @property
    def requirements(self) -> tuple[str, ...]:
        """Of its packages, as strings such as "numpy>=2"."""
        return tuple(found for step in self.packages for found in step.requirements)

    @property
    def is_forced(self) -> bool:
        """It is to be resolved anew, whatever was found the last time."""
        return any(step.force for step in (*self.packages, *self.functions))

    def digest(self, base: str) -> str:
        """What is the same for recipes that ask for the same, on one `base`. What secrets are worth does not count, nor where
        files lie, nor the variables of containers, but for functions, which may read them."""
        packages = [replace(step, **_NO_PLACE[type(step)], secrets=_names(step.secrets)) for step in self.packages]
        functions = [replace(step, file="", secrets=_names(step.secrets), force=False) for step in self.functions]
        return hashlib.sha256(_encode((_FORMAT, base, self.python, packages, functions, self.env))).hexdigest()[:32]


_PACKAGES = (PythonPackages, LockedProject)
_NO_PLACE = {PythonPackages: {"file": "", "force": False}, LockedProject: {"directory": "", "force": False}}


def _names(secrets: dict[str, str]) -> dict[str, str]:
    return dict.fromkeys(secrets, "")


def out_of_reach(image: ImageSpec) -> tuple[Step, ...]:
    """Its steps that no environment can have: they need a real image."""
    of_environment = (*_PACKAGES, PreparingFunction, DebianSlim, *_OF_CONTAINERS)
    return tuple(step for step in image.steps if not isinstance(step, of_environment))
