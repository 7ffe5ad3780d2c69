"""One build: a recipe is resolved, its environment made aside, and renamed when it is whole."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import msgspec

from motet.errors import ImageBuildError
from motet.images.base import Environment, Told
from motet.images.build_log import BuildLog
from motet.images.cache import Built, EnvironmentCache
from motet.images.installed import is_python
from motet.images.interpreters import interpreter
from motet.images.linked_runtime import base_name, constraints, linked_runtime, to_install
from motet.images.options import UvOptions
from motet.images.programs import Programs
from motet.images.recipe import Recipe
from motet.images.resolution import build_variables, resolved
from motet.model.image import BuildPlace, PreparingFunction, PythonPackages

_FULL = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)


class Build:
    """Of one recipe. `cache`: where its environment goes. `place`: where its functions are found. `end_left`: as `Programs`
    has it."""

    def __init__(
        self,
        recipe: Recipe,
        cache: EnvironmentCache,
        place: BuildPlace,
        told: Told,
        end_left: Callable[[], None] = lambda: None,
    ) -> None:
        self._recipe = recipe
        self._cache = cache
        self._place = place
        self._told = told
        self._end_left = end_left
        self._digest = recipe.digest(base_name())

    def made(self) -> Environment:
        """The environment: made now, unless another build has made it meanwhile. Raises `ImageBuildError`."""
        self._cache.remove_left()
        before = self._cache.led_to(self._digest)
        with self._cache.locked(f"build-{self._digest}") as held:
            found = self._cache.led_to(self._digest)
            # Of a recipe that is to be taken anew, what another build has made while this one waited is new.
            if found is not None and (not self._recipe.is_forced or found != before):
                return found
            try:
                log = self._cache.log(self._digest)
                log.parent.mkdir(parents=True, exist_ok=True)
                with log.open("w", encoding="utf-8", errors="replace") as file:
                    return self._logged(file, held)
            except OSError as error:
                raise self._explained(ImageBuildError(f"the environment cannot be built: {error}")) from error
            except ImageBuildError as error:
                raise self._explained(error) from error.__cause__

    def _explained(self, error: ImageBuildError) -> ImageBuildError:
        """With where its log is, and what to do where the disk is full."""
        log = f"\n  (the whole log: motet image logs {self._digest[:12]})"
        if not _FULL.search(str(error)):
            return ImageBuildError(f"{error}{log}")
        left = shutil.disk_usage(self._cache.directory).free / 2**20
        return ImageBuildError(
            f"a disk is full ({self._cache.directory} has {left:.0f} MiB left); nothing is kept of this build. `motet image "
            f"prune` removes environments that nobody needs, and `uv cache clean` what uv keeps: {error}{log}"
        )

    def _logged(self, file: TextIO, held: int) -> Environment:
        log = BuildLog(file, self._told)
        programs = Programs(log=log, end_left=self._end_left, descriptors=(held,))
        for left in self._cache.building.glob(f"{self._digest}.*"):  # of a build that was killed
            shutil.rmtree(left, ignore_errors=True)
        aside = self._cache.building / f"{self._digest}.{secrets.token_hex(4)}"
        aside.mkdir(parents=True)
        try:
            return self._made(aside, programs)
        except ImageBuildError as error:
            log.end(str(error))
            raise
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def _made(self, aside: Path, programs: Programs) -> Environment:
        began = time.monotonic()
        recipe = self._recipe
        python = interpreter(recipe.python)
        is_same = is_python(recipe.python)
        own = to_install(is_same)
        if own:
            recipe = msgspec.structs.replace(recipe, packages=(*recipe.packages, PythonPackages(lines=tuple(own))))
        lock = ""
        if recipe.packages:
            self._told(f"Resolving {_counted(len(recipe.requirements), 'requirement')} for Python {_named(python)}")
            lock = resolved(recipe, python, constraints(), programs, aside / "resolving")
        digest = self._environment_digest(lock, python)
        with self._cache.locked(f"make-{digest}"):
            found = self._cache.environment(digest)
            if found is None:
                found = self._installed(aside, lock, python, is_same, digest, began, programs)
        self._cache.note_led(self._digest, digest)
        return found

    def _environment_digest(self, lock: str, python: str) -> str:
        """Of what an environment is made of. Functions may leave anything, so theirs are not shared between recipes."""
        functions = self._digest if self._recipe.functions else ""
        what = "\n".join((base_name(), os.path.realpath(python), lock, functions))
        return hashlib.sha256(what.encode()).hexdigest()[:32]

    def _installed(
        self, aside: Path, lock: str, python: str, is_same: bool, digest: str, began: float, programs: Programs
    ) -> Environment:
        made = aside / "environment"
        programs.uv("venv", "--relocatable", "--quiet", "--python", python, str(made), what="making the environment")
        count = sum(1 for line in lock.splitlines() if line and not line[0].isspace() and not line.startswith("#"))
        if lock:
            self._told(f"Installing {_counted(count, 'package')}")
            (made / "lock.txt").write_text(lock, encoding="utf-8")
            steps = self._recipe.packages
            env = {name: value for step in steps for name, value in build_variables(step).items()}
            programs.uv(
                *("pip", "sync", "--compile-bytecode", "--python", str(made / "bin" / "python")),
                *UvOptions.together(UvOptions.of(step) for step in steps).arguments(is_locked=True),
                str(made / "lock.txt"),
                what="installing packages",
                env=env,
            )
        runtime = linked_runtime(self._cache.directory / "runtime", is_same)
        packages = _site_packages(made)
        (packages / "motet_runtime.pth").write_text(f"{runtime}\n")
        for function in self._recipe.functions:
            self._run_function(function, made, programs)
        # Relative, and from where it will lie: a home may be moved.
        place = self._cache.environments / digest / packages.relative_to(made)
        (packages / "motet_runtime.pth").write_text(f"{os.path.relpath(runtime, place)}\n")
        built = Built(
            digest=digest,
            recipe=self._digest,
            python_version=_named(python),
            steps=tuple(map(str, (*self._recipe.packages, *self._recipe.functions))),
            packages=count,
            built_at=time.time(),
            seconds=round(time.monotonic() - began, 3),
            size=_size(made),
        )
        (made / "motet.json").write_bytes(msgspec.json.encode(built))
        self._cache.environments.mkdir(parents=True, exist_ok=True)
        whole = self._cache.environments / digest
        if whole.exists():  # its interpreter is gone, or it would have been found
            shutil.rmtree(whole)
        made.rename(whole)
        self._told(f"Built in {built.seconds:.1f} s: {_counted(count, 'package')}, {built.size / 2**20:.0f} MiB")
        return Environment(python=str(self._cache.python(digest)), digest=digest)

    def _run_function(self, step: PreparingFunction, made: Path, programs: Programs) -> None:
        self._told(f"Running {step.qualname}")
        request = {
            "module": step.module,
            "qualname": step.qualname,
            "file": step.file,
            "sys_path": list(self._place.sys_path),
            "project_dir": self._place.project_dir,
        }
        programs.run(
            [str(made / "bin" / "python"), "-P", "-m", "motet.runtime.preparing"],
            what=f"Image.{step}",
            env={**self._recipe.env, **step.env, **step.secrets, "MOTET_IS_REMOTE": "1", "MODAL_IS_REMOTE": "1"},
            data=msgspec.json.encode(request) + b"\n" + step.arguments,
            timeout=step.timeout,
        )


def _site_packages(environment: Path) -> Path:
    return next((environment / "lib").glob("python*")) / "site-packages"


def _named(python: str) -> str:
    if os.path.realpath(python) == os.path.realpath(sys.executable):
        return ".".join(map(str, sys.version_info[:3]))
    return Path(os.path.realpath(python)).name.removeprefix("python")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _size(directory: Path) -> int:
    """Bytes on disk."""
    found = 0
    for place, _, names in os.walk(directory):
        found += sum(os.lstat(os.path.join(place, name)).st_blocks * 512 for name in names)
    return found
