"""`motet.Image`: what the user says his functions need to have installed. Recorded step by step, and never changed."""

from __future__ import annotations

import contextlib
import inspect
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Concatenate, ParamSpec, Self

from motet.bundles.ignoring import kept_patterns
from motet.context.container import is_local
from motet.errors import InvalidError, UnimplementedError
from motet.model.image import (
    AddedFiles,
    BuildShell,
    DefaultCommand,
    DockerfileLines,
    Entrypoint,
    ShellCommands,
    SystemPackages,
    Variables,
    WorkingDirectory,
)
from motet.model.local_files import LocalFiles
from motet.sdk.options.checks import is_number, type_name
from motet.sdk.options.image_origins import Ignore, ImageOrigins
from motet.sdk.options.image_packages import ImagePackages, Packages
from motet.sdk.options.image_recording import (
    Environment,
    Secrets,
    StrPath,
    build_options,
    flat,
    named_options,
    without_volumes,
)
from motet.sdk.options.secret import checked_env

P = ParamSpec("P")


class Image(ImageOrigins, ImagePackages):
    """A list of build steps; every method gives a new image with one more."""

    @named_options
    def apt_install(
        self,
        *packages: Packages,
        force_build: bool = False,
        env: Environment = None,
        secrets: Secrets = None,
        gpu: str | None = None,
    ) -> Self:
        """System packages."""
        names = flat("apt_install", packages)
        options = build_options("apt_install", env, secrets, gpu, force_build)
        return self.recorded(SystemPackages(packages=names, **options)) if names else self

    @named_options
    def run_commands(
        self,
        *commands: Packages,
        env: Environment = None,
        secrets: Secrets = None,
        volumes: Mapping[Any, Any] | None = None,
        gpu: str | None = None,
        force_build: bool = False,
    ) -> Self:
        """Shell commands."""
        without_volumes("run_commands", volumes)
        lines = flat("run_commands", commands)
        options = build_options("run_commands", env, secrets, gpu, force_build)
        return self.recorded(ShellCommands(commands=lines, **options)) if lines else self

    @named_options
    def run_function(
        self,
        raw_f: Callable[..., Any],
        secrets: Secrets = None,
        *,
        env: Environment = None,
        gpu: str | list[str] | None = None,
        volumes: Mapping[Any, Any] | None = None,
        network_file_systems: Mapping[Any, Any] | None = None,
        mounts: Collection[Any] = (),
        cpu: float | None = None,
        memory: int | None = None,
        timeout: float = 3600,
        cloud: str | None = None,
        region: str | Sequence[str] | None = None,
        force_build: bool = False,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] = {},
        include_source: bool = True,
    ) -> Self:
        """A function that prepares the image: it runs once, when that is built. `timeout`: seconds it may take."""
        if not callable(raw_f):
            raise InvalidError(f"Argument to Image.run_function must be a function, not {type_name(raw_f)}.")
        if inspect.isgeneratorfunction(raw_f) or inspect.isasyncgenfunction(raw_f):
            raise InvalidError(
                f"Image.run_function: {raw_f.__qualname__} is a generator, and nobody would ask it for its items: give a "
                "function that does the work and returns"
            )
        without_volumes("run_function", volumes, network_file_systems)
        if not is_number(timeout) or timeout <= 0:
            raise InvalidError(f"Image.run_function: `timeout` must be a number of seconds above 0, got {timeout!r}")
        if not is_local():  # it has run
            return self
        from motet.sdk.options.preparing import preparing  # late: few images have such a step

        options = build_options("run_function", env, secrets, gpu, force_build)
        return self.recorded(preparing(raw_f, tuple(args), dict(kwargs), float(timeout), options))

    @named_options
    def dockerfile_commands(
        self,
        *dockerfile_commands: Packages,
        context_files: Mapping[str, str] = {},
        env: Environment = None,
        secrets: Secrets = None,
        gpu: str | None = None,
        context_mount: Any = None,
        context_dir: StrPath | None = None,
        force_build: bool = False,
        ignore: Ignore = (),
        build_args: Mapping[str, str] = {},
    ) -> Self:
        """Dockerfile lines. `context_dir`: what the paths in them are relative to."""
        if context_mount is not None:
            raise UnimplementedError(
                "Image.dockerfile_commands: name the directory as context_dir=, not context_mount="
            )
        lines = flat("dockerfile_commands", dockerfile_commands)
        step = DockerfileLines(
            lines=lines,
            context_files={there: os.path.abspath(here) for there, here in context_files.items()},
            context="" if context_dir is None else os.path.abspath(context_dir),
            ignore=kept_patterns("dockerfile_commands", ignore),
            build_args=dict(build_args),
            **build_options("dockerfile_commands", env, secrets, gpu, force_build),
        )
        return self.recorded(step) if lines else self

    def env(self, vars: Mapping[str, str]) -> Self:
        """Environment variables, which functions with this image have."""
        checked = checked_env("the argument of Image.env", vars)
        return self.recorded(Variables(env=checked), env=checked)

    def workdir(self, path: StrPath) -> Self:
        """The working directory."""
        return self.recorded(WorkingDirectory(path=os.fspath(path)))

    def entrypoint(self, entrypoint_commands: Sequence[str]) -> Self:
        """The image's entrypoint."""
        return self.recorded(Entrypoint(command=flat("entrypoint", entrypoint_commands)))

    def shell(self, shell_commands: Sequence[str]) -> Self:
        """The shell for later commands."""
        return self.recorded(BuildShell(command=flat("shell", shell_commands)))

    def cmd(self, cmd: Sequence[str]) -> Self:
        """The image's default command."""
        return self.recorded(DefaultCommand(command=flat("cmd", cmd)))

    # --- files --------------------------------------------------------------------------------------------------------

    @named_options
    def add_local_file(self, local_path: StrPath, remote_path: str, *, copy: bool = False) -> Self:
        """A file of this machine. It travels with a deployment: see docs/server.md. In runs functions find it where it is;
        if it is not at `remote_path`, too, that is reported. `copy`: later steps see it."""
        return self._with_files("add_local_file", local_path, remote_path, copied=copy)

    @named_options
    def add_local_dir(self, local_path: StrPath, remote_path: str, *, copy: bool = False, ignore: Ignore = ()) -> Self:
        """A directory of this machine, as for `add_local_file`. `ignore`: what stays at home, as patterns of a
        `.dockerignore`, or a function of a path."""
        return self._with_files("add_local_dir", local_path, remote_path, ignore, copied=copy)

    @named_options
    def add_local_python_source(self, *modules: str, copy: bool = False, ignore: Ignore = ()) -> Self:
        """Modules and packages of this machine, by name: they travel with a deployment, as what it has imported does by
        itself. `ignore` as for `add_local_dir`."""
        method = "add_local_python_source"
        patterns = kept_patterns(method, ignore)
        files = tuple(LocalFiles(kind="module", source=name, ignore=patterns) for name in flat(method, modules))
        return self.recorded(AddedFiles(files=files, is_copied=copy, way=method), files=files)

    @named_options
    def copy_local_file(self, local_path: StrPath, remote_path: str = "./") -> Self:
        """As `add_local_file` with `copy=True`."""
        return self._with_files("copy_local_file", local_path, remote_path, copied=True)

    @named_options
    def copy_local_dir(self, local_path: StrPath, remote_path: str = ".", ignore: Ignore = ()) -> Self:
        """As `add_local_dir` with `copy=True`."""
        return self._with_files("copy_local_dir", local_path, remote_path, ignore, copied=True)

    def _with_files(
        self, method: str, local_path: StrPath, remote_path: StrPath, ignore: Ignore = (), *, copied: bool
    ) -> Self:
        local, remote = os.fspath(local_path), os.fspath(remote_path)
        is_file = method.endswith("_file")
        there = os.path.join(remote, os.path.basename(local)) if is_file and remote.endswith("/") else remote
        added = LocalFiles(
            kind="file" if is_file else "directory",
            source=os.path.abspath(local),
            target=there,
            ignore=kept_patterns(method, ignore),
        )
        return self.recorded(AddedFiles(files=(added,), is_copied=bool(copied), way=method), files=(added,))

    # --- what makes no step -------------------------------------------------------------------------------------------

    def pipe(self, func: Callable[Concatenate[Self, P], Image], *args: P.args, **kwargs: P.kwargs) -> Image:
        """`func(image, ...)`: for steps that several images have in common."""
        return func(self, *args, **kwargs)

    @contextlib.contextmanager
    def imports(self) -> Iterator[None]:
        """Imports that only containers need: `with image.imports(): import torch`. Here, an `ImportError` ends the block
        without a word; in a container it is raised."""
        try:
            yield
        except ImportError:
            if not is_local():
                raise
