"""All that was built for images of one home, of either kind, as people see it: listed, and removed when nobody needs it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from motet.errors import ServiceError
from motet.images.cache import EnvironmentCache
from motet.images.oci.kept import KeptOci
from motet.images.uses import needed

Kind = Literal["environment", "oci"]


class KeptImage(msgspec.Struct, frozen=True, kw_only=True):
    """One of them. `packages`: how many an environment has; None of an OCI image, where nobody counts. `apps`: those that have
    used it, with when they last did. `in_use`: a process that lives does. `deployed`: the deployed apps that need it, whose
    server may not run. `size`: bytes on disk, what others share counted in each."""

    kind: Kind
    name: str
    python_version: str
    steps: tuple[str, ...]
    packages: int | None
    size: int
    built_at: float
    seconds: float
    apps: dict[str, float]
    last_used_at: float
    in_use: bool
    deployed: tuple[str, ...]

    @property
    def is_needed(self) -> bool:
        """It is not to be removed."""
        return self.in_use or bool(self.deployed)


class KeptImages:
    """Those under `directory`, and those of the engine that `env` leads to."""

    def __init__(self, directory: Path, env: Mapping[str, str]) -> None:
        self._directory = directory
        self._cache = EnvironmentCache(directory)
        self._oci = KeptOci(directory / "oci", env)
        self.problem = ""
        """Why OCI images that were built could not be listed: no engine answers any more."""

    def listed(self) -> list[KeptImage]:
        """All that are there, the last used first."""
        deployed = needed(self._directory)
        found = [
            KeptImage(
                kind="environment",
                name=(built := each.built).digest,
                python_version=built.python_version,
                steps=built.steps,
                packages=built.packages,
                size=built.size,
                built_at=built.built_at,
                seconds=built.seconds,
                apps=each.apps,
                last_used_at=each.last_used_at,
                in_use=each.in_use,
                deployed=tuple(deployed.get(built.digest, ())),
            )
            for each in self._cache.listed()
        ]
        return sorted([*found, *self._listed_oci(deployed)], key=lambda it: -it.last_used_at)

    def _listed_oci(self, deployed: Mapping[str, Sequence[str]]) -> list[KeptImage]:
        notes, found = self._oci.notes, []
        self.problem = ""
        try:
            images = self._oci.listed() if self._oci.is_used else {}
        except ServiceError as error:
            self.problem = str(error)
            return []
        for noted, size in images.values():
            names = [noted.name, *notes.made_of(noted.name)]
            apps: dict[str, float] = {}
            for app, at in (used for name in names for used in notes.uses.apps(name).items()):
                apps[app] = max(at, apps.get(app, at))
            found.append(
                KeptImage(
                    kind="oci",
                    name=noted.name,
                    python_version=noted.python_version,
                    steps=noted.steps,
                    packages=None,
                    size=size,
                    built_at=noted.built_at,
                    seconds=noted.seconds,
                    apps=apps,
                    last_used_at=max([noted.built_at, *apps.values()]),
                    in_use=any(map(notes.uses.is_used, names)),
                    deployed=tuple(dict.fromkeys(app for name in names for app in deployed.get(name, ()))),
                )
            )
        return found

    def remove(self, image: KeptImage) -> bool:
        """Remove it; False if it is used, or needed by now."""
        if image.name in needed(self._directory):
            return False
        return self._cache.remove(image.name) if image.kind == "environment" else self._oci.remove(image.name)

    def remove_left(self) -> None:
        """Remove what builds left that were killed."""
        self._cache.remove_left()
        if self._oci.is_used:
            with contextlib.suppress(ServiceError):  # `problem` has said so
                self._oci.remove_left()

    def logs(self, image: KeptImage) -> list[Path]:
        """What builds of it wrote, as far as that is there: of an OCI image a file for each of its stages."""
        if image.kind == "environment":
            recipe = next((it.built.recipe for it in self._cache.listed() if it.built.digest == image.name), "")
            found = [self._cache.log(recipe)]
        else:
            noted = self._oci.notes.read(image.name)
            found = [self._oci.notes.log(stage) for stage in (() if noted is None else noted.stages)]
        return [each for each in found if each.is_file()]

    def logs_named(self, name: str) -> list[Path]:
        """What the build wrote that has this id, or the only one whose id begins so: as one that failed says it."""
        found = [each for each in self._all_logs() if each.stem.startswith(name)]
        return found if len(found) == 1 else [each for each in found if each.stem == name]

    def last_log(self) -> Path | None:
        """What the last build wrote, also one that failed."""
        return max(self._all_logs(), key=lambda it: it.stat().st_mtime, default=None)

    def _all_logs(self) -> list[Path]:
        places = self._cache.log("*").parent, self._oci.notes.log("*").parent
        return [each for place in places for each in place.glob("*.log")]
