"""Environments that were built, as they lie on the disk: found, listed, held and removed.

images/environments/DIGEST/          an environment; its `motet.json` says what it is
images/recipes/DIGEST.json           which environment a recipe led to, so that it is not resolved again
images/building/                     what is being built: renamed when it is whole
images/logs/DIGEST.log               what builds of a recipe wrote, the last one
images/locks/NAME.lock               held by who builds that recipe or environment
images/uses/, images/needed.json     see `uses`
images/runtime/                      see `linked_runtime`
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec

from motet.images.base import Environment
from motet.images.uses import Uses


class Built(msgspec.Struct, frozen=True, kw_only=True):
    """What an environment says of itself. `steps`: the image's, in words. `seconds`: how long it took; `size`: bytes on disk,
    those that other environments share counted in each."""

    digest: str
    recipe: str
    python_version: str
    steps: tuple[str, ...]
    packages: int
    built_at: float
    seconds: float
    size: int


class Led(msgspec.Struct, frozen=True, kw_only=True):
    """Where a recipe led: the digest of its environment."""

    leads_to: str


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """An environment as a list shows it. `apps`: those that have used it, with when they last did. `in_use`: a process that
    lives does."""

    built: Built
    apps: dict[str, float]
    last_used_at: float
    in_use: bool


class EnvironmentCache:
    """Those under one directory. Safe to use from several processes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._uses = Uses(directory)
        self.hold, self.release = self._uses.hold, self._uses.release

    @property
    def environments(self) -> Path:
        """Where they are."""
        return self.directory / "environments"

    @property
    def building(self) -> Path:
        """Where those are made that are not whole yet."""
        return self.directory / "building"

    def log(self, recipe: str) -> Path:
        """Where builds of a recipe write."""
        return self.directory / "logs" / f"{recipe}.log"

    def python(self, digest: str) -> Path:
        """The interpreter of an environment."""
        return self.environments / digest / "bin" / "python"

    # --- found --------------------------------------------------------------------------------------------------------

    def led_to(self, recipe: str) -> Environment | None:
        """The environment that a recipe led to, if it is there."""
        try:
            led = msgspec.json.decode((self.directory / "recipes" / f"{recipe}.json").read_bytes(), type=Led)
        except (OSError, msgspec.MsgspecError):
            return None
        return self.environment(led.leads_to)

    def environment(self, digest: str) -> Environment | None:
        """One by its digest, if it is there and its interpreter is, too."""
        python = self.python(digest)
        return Environment(python=str(python), digest=digest) if os.access(python, os.X_OK) else None

    def note_led(self, recipe: str, digest: str) -> None:
        """Remember where a recipe led."""
        place = self.directory / "recipes" / f"{recipe}.json"
        place.parent.mkdir(parents=True, exist_ok=True)
        aside = place.with_suffix(f".{os.getpid()}")
        aside.write_bytes(msgspec.json.encode(Led(leads_to=digest)))
        os.replace(aside, place)

    # --- held ---------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def locked(self, name: str) -> Iterator[int]:
        """Be the only one, of all processes, that has the lock of this name; wait until it is free. Whoever inherits the
        descriptor has it, too."""
        descriptor = self._uses.open_lock(name)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)

    # --- listed and removed -------------------------------------------------------------------------------------------

    def listed(self) -> list[Listed]:
        """All that are there, the last used first."""
        if not self.environments.is_dir():
            return []
        found = [it for each in self.environments.iterdir() if (it := self._listed(each)) is not None]
        return sorted(found, key=lambda it: -it.last_used_at)

    def _listed(self, place: Path) -> Listed | None:
        try:
            built = msgspec.json.decode((place / "motet.json").read_bytes(), type=Built)
        except (OSError, msgspec.MsgspecError):
            return None
        apps = self._uses.apps(built.digest)
        last = max([built.built_at, *apps.values()])
        return Listed(built=built, apps=apps, last_used_at=last, in_use=self._uses.is_used(built.digest))

    def remove(self, digest: str) -> bool:
        """Remove an environment; False if it is used. Half of one is never found: it is renamed first."""
        with self._uses.alone(digest) as is_alone:
            if not is_alone:
                return False
            self.building.mkdir(parents=True, exist_ok=True)
            aside = self.building / f"{digest}.removed-{os.getpid()}"
            with contextlib.suppress(FileNotFoundError):
                (self.environments / digest).rename(aside)
            shutil.rmtree(aside, ignore_errors=True)
            self._uses.forget(digest)
        return True

    def remove_left(self) -> None:
        """Remove what builds left that were killed, and nobody makes any more."""
        for place in self.building.iterdir() if self.building.is_dir() else ():
            recipe = place.name.split(".")[0]
            descriptor = self._uses.open_lock(f"build-{recipe}")
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(place, ignore_errors=True)
            except BlockingIOError:
                pass
            finally:
                os.close(descriptor)
