"""OCI images of this machine: built once, however many ask for one, and what containers in them need to know."""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from motet.backends.oci.programs import EnginePrograms, find_programs
from motet.errors import ImageBuildError, ServiceError
from motet.images.oci.build import BuildStop, Told, run_build
from motet.images.oci.containerfile import Surroundings, stages_of
from motet.images.oci.context import digest, located
from motet.images.oci.notes import OciBuilt, OciNotes
from motet.images.oci.runtime_files import OLDEST, QUESTION, ImagePython, runtime_for
from motet.images.oci.stages import Stage
from motet.model.hidden import hides_secrets
from motet.model.image import ImageSpec, RegistryImage

BASE = "MOTET_OCI_BASE"
DEFAULT_BASE = "docker.io/library/python:{python}-slim-bookworm"

_NO_PYTHON = 127


@hides_secrets
@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltImage:
    """An image that the engine has: its name, its Python, the directory with Motet for that, the variables it sets, and what
    it says of commands that run in it."""

    tag: str
    python: ImagePython
    runtime: Path
    env: dict[str, str]
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    workdir: str = ""


@hides_secrets
class _Config(msgspec.Struct, frozen=True):
    env: list[str] | None = msgspec.field(default=None, name="Env")
    entrypoint: list[str] | None = msgspec.field(default=None, name="Entrypoint")
    command: list[str] | None = msgspec.field(default=None, name="Cmd")
    workdir: str | None = msgspec.field(default=None, name="WorkingDir")


class _Inspected(msgspec.Struct, frozen=True):
    """What engines say of an image, as far as it is read."""

    config: _Config = msgspec.field(default=_Config(), name="Config")


class OciImages:
    """Builds images and knows those that are built, in `directory`. Its methods wait, and may be called from many threads and
    processes: of one image only one build runs. `uv` says where that program is, when it is needed."""

    def __init__(self, directory: Path, env: Mapping[str, str], uv: Callable[[], Path]) -> None:
        self._directory = directory
        self.notes = OciNotes(directory)
        self._env = dict(env)
        self._uv = uv
        self._programs: EnginePrograms | None = None

    @property
    def programs(self) -> EnginePrograms:
        """Those of this machine. Raises `ServiceError`, with what to do, where there are none, and `InvalidError`."""
        if self._programs is None:
            self._programs = find_programs(self._env)
        return self._programs

    def stages(self, spec: ImageSpec, sys_path: Sequence[str] = ()) -> tuple[Stage, ...]:
        """How an image is built here. Raises `InvalidError`."""
        around = Surroundings(
            base=self._env.get(BASE) or DEFAULT_BASE,
            python=".".join(platform.python_version_tuple()[:2]),
            repository=self.notes.repository,
            located=lambda files: located(files, sys_path),
            digest=digest,
        )
        return stages_of(spec, around)

    def ensure(
        self,
        spec: ImageSpec,
        told: Told,
        sys_path: Sequence[str] = (),
        stop: BuildStop | None = None,
        *,
        anew: bool = True,
    ) -> BuiltImage:
        """The image, which is built if the engine has it not, and where a step of it is to be taken anew, unless `anew` is
        false: then what was built before serves. `told` gets the lines of its builds, `stop` ends them. Raises
        `ImageBuildError`, `InvalidError` and `ServiceError`."""
        stages, began = self.stages(spec, sys_path), time.monotonic()
        tag = stages[-1].tag
        # First: what is there is not removed from now on.
        self.notes.uses.hold(_name(tag))
        base = _base_of(spec)
        is_there = not (anew and any(stage.anew for stage in stages)) and self._inspected(tag) is not None
        if not is_there and base.startswith(self.notes.tag("snapshot-")) and self._inspected(base) is None:
            raise ImageBuildError(
                f"{base} is not there any more: `motet image prune` has removed this snapshot of a sandbox, which nobody used "
                "for long, or the engine was told to"
            )
        for number, stage in enumerate(() if is_there else stages):
            self._ensure_stage(stage, stages[number - 1].tag if number else base, told, stop or BuildStop())
        built = self._described(spec, tag)
        if not is_there or self.notes.read(_name(tag)) is None:
            self._note(spec, built, stages, 0.0 if is_there else time.monotonic() - began)
        return built

    def _note(self, spec: ImageSpec, built: BuiltImage, stages: Sequence[Stage], seconds: float) -> None:
        with contextlib.suppress(OSError):  # a full disk keeps nobody from running
            self.notes.write(
                OciBuilt(
                    name=_name(built.tag),
                    python_version=".".join(map(str, built.python.version)),
                    steps=tuple(map(str, spec.steps)) or ("debian_slim",),
                    stages=tuple(_name(stage.tag) for stage in stages),
                    built_at=time.time(),
                    seconds=round(seconds, 3),
                )
            )

    def _ensure_stage(self, stage: Stage, base: str, told: Told, stop: BuildStop) -> None:
        with self._locked(stage.tag, told):
            stop.follow(None)
            if not stage.anew and self._inspected(stage.tag) is not None:
                return
            run_build(
                stage,
                self.programs,
                base=base,
                log=self.notes.log(_name(stage.tag)),
                told=told,
                env=self._env,
                uv=self._uv,
                runtime=partial(self._runtime_in, base),
                stop=stop,
            )

    def _runtime_in(self, tag: str) -> Path:
        return runtime_for(self._python_of(tag), self._directory / "runtimes", self._uv)

    def _described(self, spec: ImageSpec, tag: str) -> BuiltImage:
        python = self._python_of(tag)
        if python.version < OLDEST:
            version = ".".join(map(str, python.version))
            raise ImageBuildError(
                f"{_origin(spec)} has Python {version}, and Motet needs {OLDEST[0]}.{OLDEST[1]} or later: begin "
                'with another image, or give add_python="3.12"'
            )
        found = self._inspected(tag)
        config = _Config() if found is None else found.config
        return BuiltImage(
            tag=tag,
            python=python,
            runtime=self._runtime_in(tag),
            env={name: value for name, _, value in (variable.partition("=") for variable in config.env or ())},
            entrypoint=tuple(config.entrypoint or ()),
            command=tuple(config.command or ()),
            workdir=config.workdir or "",
        )

    def _python_of(self, tag: str) -> ImagePython:
        """Of an image that the engine has; asked once. Raises `ImageBuildError` where it has none."""
        file = self._directory / "pythons" / f"{_name(tag)}.json"
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            return msgspec.json.decode(file.read_bytes(), type=ImagePython)
        done = self._call(self.programs.ask(tag, f'exec python3 -c "{QUESTION}"'))
        if done.returncode:
            if done.returncode == _NO_PYTHON:
                raise ImageBuildError(
                    f"the image {tag} has no Python that is called python3, which Motet needs: begin with an image "
                    'that has one, or give add_python="3.12"'
                )
            raise ServiceError(f"the image {tag} does not run here: {done.stderr.strip() or done.stdout.strip()}")
        python = msgspec.json.decode(done.stdout, type=ImagePython)
        file.parent.mkdir(parents=True, exist_ok=True)
        aside = file.with_suffix(f".{os.getpid()}")
        aside.write_bytes(msgspec.json.encode(python))
        aside.replace(file)
        return python

    def _inspected(self, tag: str) -> _Inspected | None:
        done = self._call(self.programs.inspect(tag))
        if done.returncode == 0:
            return msgspec.json.decode(done.stdout, type=list[_Inspected])[0]
        if _is_unknown(done.stderr):
            return None
        raise ServiceError(
            f"{self.programs.engine} does not say which images it has: {done.stderr.strip()}. Is it running, and may this user "
            "use it?"
        )

    def _call(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env=self._env
            )
        except OSError as error:
            raise ServiceError(f"{command[0]} cannot be run on this machine: {error}") from error

    @contextlib.contextmanager
    def _locked(self, tag: str, told: Told) -> Iterator[None]:
        """One builds it, in whatever process; the others wait for that. The system takes the lock back from who is killed."""
        for directory in (self._directory / "locks", self._directory / "logs"):
            directory.mkdir(parents=True, exist_ok=True)
        with open(self._directory / "locks" / _name(tag), "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                told("waiting for a build of the same image that runs already")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _is_unknown(said: str) -> bool:
    return any(words in said.lower() for words in ("no such image", "image not known", "failed to find image"))


def _name(tag: str) -> str:
    return tag.rpartition(":")[2]


def _base_of(spec: ImageSpec) -> str:
    first = spec.steps[0] if spec.steps else None
    return first.reference if isinstance(first, RegistryImage) else ""


def _origin(spec: ImageSpec) -> str:
    return f"the image of {str(spec.steps[0]) if spec.steps else 'debian_slim'}"
