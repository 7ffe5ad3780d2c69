"""OCI images that a home had built, as far as the engine has them: listed, and let go of."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from motet.backends.oci.programs import EnginePrograms, find_programs
from motet.errors import InvalidError, ServiceError
from motet.images.oci.notes import OciBuilt, OciNotes

TIMEOUT = 60.0
"""Seconds within which an engine says what it has."""


class _SizedImage(msgspec.Struct, frozen=True):
    size: int = msgspec.field(default=0, name="Size")


class KeptOci:
    """Those of the home whose notes are in `directory`. `env` says which engine there is."""

    def __init__(self, directory: Path, env: Mapping[str, str]) -> None:
        self.notes = OciNotes(directory)
        self._env = dict(env)

    @property
    def is_used(self) -> bool:
        """Whether any image was ever built here."""
        return (self.notes.directory / "built").is_dir()

    def listed(self) -> dict[str, tuple[OciBuilt, int]]:
        """By name: what is noted of each image, and its size in bytes, layers that others share counted in each. Raises
        `ServiceError` where no engine answers."""
        names = self._names()
        return {each.name: (each, self._size(each.name)) for each in self.notes.all() if each.name in names}

    def remove(self, name: str) -> bool:
        """Let go of an image; False if it is used. The engine deletes what no other image, and no other home, has of it."""
        with self.notes.uses.alone(name) as is_alone:
            if not is_alone:
                return False
            if name in self._names():
                done = self._call(self._programs().untag(f"{self.notes.repository}:{name}"))
                if done.returncode:
                    return False  # a container has it
            self.notes.forget(name)
        return True

    def remove_left(self) -> None:
        """Let go of what builds in several stages have left that no image has any more, unless it is being built."""
        wanted = {stage for each in self.notes.all() for stage in each.stages}
        for name in self._names() - wanted:
            self.remove(name)

    def _names(self) -> set[str]:
        done = self._call(self._programs().tags(self.notes.repository))
        if done.returncode:
            raise ServiceError(f"{self._programs().engine} does not say which images it has: {done.stderr.strip()}")
        return {line.strip() for line in done.stdout.splitlines() if line.strip()}

    def _size(self, name: str) -> int:
        done = self._call(self._programs().inspect(f"{self.notes.repository}:{name}"))
        with contextlib.suppress(msgspec.MsgspecError, IndexError):
            return msgspec.json.decode(done.stdout, type=list[_SizedImage])[0].size
        return 0

    def _programs(self) -> EnginePrograms:
        try:
            return find_programs(self._env)
        except InvalidError as error:
            raise ServiceError(str(error)) from error

    def _call(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                env=self._env,
                timeout=TIMEOUT,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ServiceError(f"{os.path.basename(command[0])} does not answer on this machine: {error}") from error
