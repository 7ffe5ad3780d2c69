"""The programs that build and run OCI images, by their arguments: which are found here, and what this machine asks of them."""

from __future__ import annotations

import os
import resource
import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from motet.errors import InvalidError, ServiceError
from motet.model.hidden import hides_secrets
from motet.model.isolation import Limits, Mount, Walls

BuilderName = Literal["podman", "buildah", "docker"]

BUILDER = "MOTET_BUILDER"
RUNTIME = "MOTET_OCI_RUNTIME"
BUILD_OPTIONS = "MOTET_BUILD_OPTIONS"
RUN_OPTIONS = "MOTET_OCI_OPTIONS"

_CAP_SYS_RESOURCE = 24
# Podman's own number of processes, to which it lowers itself before it starts anything.
_MOST = {"nofile": 1 << 20, "nproc": 32768}
_HYBRID = Path("/sys/fs/cgroup/unified/cgroup.controllers")


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFacts:
    """What of a machine podman and docker must be told. `ulimits`: in place of their own, which only a privileged process may
    have. `runtime`: the OCI runtime to take; empty: the engine's own. `build_options`, `run_options`: what
    an operator adds to each build, and to each container."""

    ulimits: tuple[str, ...] = ()
    runtime: str = ""
    build_options: tuple[str, ...] = ()
    run_options: tuple[str, ...] = ()


@hides_secrets
@dataclass(frozen=True, slots=True, kw_only=True)
class BuildCall:
    """One build: of what, in which directory, under which name. `secrets`: files by their names. `login`: a file that says how
    one gets into a registry, in a directory of its own, named as docker names it."""

    directory: str
    containerfile: str
    tag: str
    build_args: Mapping[str, str]
    secrets: Mapping[str, str]
    login: str = ""
    is_anew: bool = False
    base: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCall:
    """One container to start: of which image, under which name, with what of the machine, and its command, which the image's
    entrypoint begins unless it is left out (`with_entrypoint`)."""

    name: str
    image: str
    command: Sequence[str]
    mounts: Sequence[Mount]
    walls: Walls
    limits: Limits
    labels: Mapping[str, str]
    with_entrypoint: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class EnginePrograms:
    """What builds images here, and what runs containers in them: both keep images in one place."""

    builder: BuilderName
    engine: Literal["podman", "docker"]
    machine: MachineFacts

    def build(self, call: BuildCall) -> list[str]:
        """The arguments of a build."""
        return [
            *self._begun(self.builder, call),
            *_common(call, self.machine),
            *self.machine.build_options,
            call.directory,
        ]

    def _begun(self, program: BuilderName, call: BuildCall) -> list[str]:
        anew = ["--no-cache"] if call.is_anew else []
        if program == "docker":
            login = ["--config", os.path.dirname(call.login)] if call.login else []
            return ["docker", *login, "build", "--progress", "plain", *anew]
        runtime = ["--runtime", self.machine.runtime] if self.machine.runtime else []
        login = ["--authfile", call.login] if call.login else []
        # Docker takes a registry on this machine as it is; these two ask it for TLS, unless they are told.
        plain = ["--tls-verify=false"] if is_local_registry(call.base) else []
        if program == "buildah":
            return ["buildah", "build", *runtime, "--layers", *login, *plain, *anew]
        return ["podman", *runtime, "build", "--layers", *login, *plain, *anew]

    def inspect(self, tag: str) -> list[str]:
        """Says what is known of an image, as JSON; fails where there is none."""
        return [self.engine, "image", "inspect", tag]

    def tags(self, repository: str) -> list[str]:
        """Says the tags of the images in a repository, as lines."""
        return [self.engine, "image", "ls", "--format", "{{.Tag}}", "--filter", f"reference={repository}"]

    def untag(self, tag: str) -> list[str]:
        """Takes an image its name, and deletes what nothing else has of it; fails while a container has the image."""
        return [self.engine, "image", "rm", tag]

    def ask(self, tag: str, command: str) -> list[str]:
        """Runs a shell command in an image, without a network."""
        return [
            *self.engine_words(),
            "run",
            "--rm",
            "--network",
            "none",
            *_ulimits(self.machine),
            "--entrypoint",
            "/bin/sh",
            tag,
            "-c",
            command,
        ]

    def engine_words(self) -> list[str]:
        """What each run begins with."""
        # Docker has it as an option of `run`.
        is_podman = self.engine == "podman" and self.machine.runtime
        return [self.engine, *(["--runtime", self.machine.runtime] if is_podman else [])]

    def run(self, call: RunCall) -> list[str]:
        """Starts a container, and returns when it runs. It is deleted when it has ended."""
        words = [*self.engine_words(), "run", "--detach", "--rm", "--log-driver", "none", "--name", call.name]
        if self.engine == "docker" and self.machine.runtime:
            words += ["--runtime", self.machine.runtime]
        if self.engine == "podman":
            words += ["--pull", "never", "--http-proxy=false"]
        words += [*_ulimits(self.machine), *_walls(call.walls, self.engine), *_limits(call.limits)]
        for key, value in call.labels.items():
            words += ["--label", f"{key}={value}"]
        for mount in call.mounts:
            access = "" if mount.writable else ",readonly"
            words += ["--mount", f"type=bind,source={mount.source},target={mount.target}{access}"]
        words += [] if call.with_entrypoint else ["--entrypoint", ""]
        return [*words, *self.machine.run_options, call.image, *call.command]

    def commit(self, container: str, tag: str, changes: Sequence[str]) -> list[str]:
        """Makes an image of a container's files as they are, with these instructions."""
        words = [word for change in changes for word in ("--change", change)]
        return [self.engine, "commit", *words, container, tag]

    def kill(self, names: Sequence[str]) -> list[str]:
        """Ends containers now and deletes them. Those that are not there are no failure."""
        patience = ["--time", "0", "--ignore"] if self.engine == "podman" else []
        return [self.engine, "rm", "--force", *patience, *names]

    def wait(self, name: str) -> list[str]:
        """Ends when the container has, or if there is none."""
        return [self.engine, "wait", name]

    def names(self, label: str) -> list[str]:
        """Says the names of containers with a label, and what it is worth, as lines with a tab."""
        value = '{{index .Labels "%s"}}' if self.engine == "podman" else '{{.Label "%s"}}'
        return [
            self.engine,
            "ps",
            "--all",
            "--filter",
            f"label={label}",
            "--format",
            "{{.Names}}\t" + value % label,
        ]


def _walls(walls: Walls, engine: str) -> list[str]:
    words = ["--security-opt", "no-new-privileges"]
    if not walls.network:
        words += ["--network", "none"]
    if walls.gpus:
        words += ["--gpus", "all"] if engine == "docker" else ["--device", "nvidia.com/gpu=all"]
    return words


def _limits(limits: Limits) -> list[str]:
    words = []
    if limits.memory is not None:
        # As much with swap: what goes over it is to be ended, not to be slow.
        words += ["--memory", str(limits.memory), "--memory-swap", str(limits.memory)]
    if limits.cpu is not None:
        words += ["--cpus", f"{limits.cpu:g}"]
    if limits.pids is not None:
        words += ["--pids-limit", str(limits.pids)]
    return words


def is_local_registry(reference: str) -> bool:
    """Whether an image is of a registry on this machine."""
    host = reference.partition("/")[0].partition(":")[0]
    return host in ("127.0.0.1", "localhost") and not reference.startswith("localhost/")


def _common(call: BuildCall, machine: MachineFacts) -> list[str]:
    words = ["--file", call.containerfile, "--tag", call.tag, *_ulimits(machine)]
    for name, value in sorted(call.build_args.items()):
        words += ["--build-arg", f"{name}={value}"]
    for name, path in sorted(call.secrets.items()):
        words += ["--secret", f"id={name},src={path}"]
    return words


def _ulimits(machine: MachineFacts) -> list[str]:
    return [word for limit in machine.ulimits for word in ("--ulimit", limit)]


def find_programs(env: Mapping[str, str], which: Callable[[str], str | None] | None = None) -> EnginePrograms:
    """Those that an environment names, or that are found. Raises `InvalidError` for a name that makes no sense, and
    `ServiceError`, with what to do, where there are none."""
    which = which or partial(shutil.which, path=env.get("PATH"))
    builder = _builder(env.get(BUILDER, ""), which)
    return EnginePrograms(
        builder=builder,
        engine="docker" if builder == "docker" else "podman",
        machine=MachineFacts(
            ulimits=lowered_ulimits(),
            runtime=env.get(RUNTIME, "") or _usable_runtime(which),
            build_options=_words(env, BUILD_OPTIONS),
            run_options=_words(env, RUN_OPTIONS),
        ),
    )


def lacking_programs(env: Mapping[str, str]) -> str | None:
    """Why no container can run in an OCI image here, and what to do; None if one can."""
    try:
        find_programs(env)
    except (ServiceError, InvalidError) as error:
        return str(error)
    return None


def _words(env: Mapping[str, str], variable: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(env.get(variable, "")))
    except ValueError as error:
        raise InvalidError(f"{variable} is to be words as in a shell: {error}") from error


def _builder(named: str, which: Callable[[str], str | None]) -> BuilderName:
    if named and named not in ("podman", "buildah", "docker"):
        raise InvalidError(f"{BUILDER} takes podman, buildah or docker, not {named!r}")
    names: tuple[BuilderName, ...] = (named,) if named else ("podman", "docker")  # type: ignore[assignment]
    for name in names:
        if which(name):
            if name == "buildah" and not which("podman"):
                raise ServiceError(
                    "buildah builds images here, but nothing runs containers in them: install podman, which shares them with "
                    'buildah, or use isolation="bubblewrap"'
                )
            return name
    missing = f"{named}, which {BUILDER} names, is" if named else "podman and docker are"
    raise ServiceError(
        f'isolation="oci" needs a program that runs OCI images, and {missing} not found on this machine: install podman '
        '(apt-get install podman) or docker, or use isolation="bubblewrap" or "process"'
    )


def lowered_ulimits(status: str | None = None) -> tuple[str, ...]:
    """What podman and docker must be told where this process may not raise limits: theirs are higher than its own."""
    if status is None:
        status = Path("/proc/self/status").read_text()
    capabilities = next((line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")), "0")
    if int(capabilities, 16) >> _CAP_SYS_RESOURCE & 1:
        return ()
    found = []
    for name, kind in (("nofile", resource.RLIMIT_NOFILE), ("nproc", resource.RLIMIT_NPROC)):
        soft, hard = resource.getrlimit(kind)
        if hard != resource.RLIM_INFINITY:
            highest = min(hard, _MOST[name])
            found.append(f"{name}={highest if soft == resource.RLIM_INFINITY else min(soft, highest)}:{highest}")
    return tuple(found)


def _usable_runtime(which: Callable[[str], str | None]) -> str:
    """crun, which podman prefers, does not work where some of the cgroups' controllers are of version 1 and some of 2."""
    return "runc" if _HYBRID.exists() and which("runc") else ""
