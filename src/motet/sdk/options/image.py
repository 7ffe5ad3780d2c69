"""`motet.Image`: what the user says his functions need to have installed. Recorded step by step, and never changed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from motet.bundles.ignoring import kept_patterns
from motet.context.container import is_local
from motet.errors import InvalidError
from motet.model.function import ImageSpec, LocalFiles
from motet.sdk.options.checks import type_name
from motet.sdk.options.requirements import pyproject_requirements, requirements_in_file
from motet.sdk.options.secret import checked_env

Packages = str | Sequence["Packages"]
StrPath = str | os.PathLike[str]


class Image:
    """A list of build steps; every method gives a new image with one more. Containers that are processes of this machine
    use its environment as it is: what is missing there is reported when an app starts."""

    def __init__(self, spec: ImageSpec = ImageSpec()) -> None:  # noqa: B008 - frozen
        self.spec = spec

    def _with(
        self,
        step: str,
        *arguments: object,
        requirements: Sequence[str] = (),
        system_packages: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        files: Sequence[LocalFiles] = (),
    ) -> Image:
        spec = self.spec
        return Image(
            replace(
                spec,
                requirements=(*spec.requirements, *requirements),
                system_packages=(*spec.system_packages, *system_packages),
                env={**spec.env, **(env or {})},
                files=(*spec.files, *files),
                steps=(*spec.steps, " ".join([step, *map(str, arguments)])),
            )
        )

    # --- where an image starts ---

    @staticmethod
    def debian_slim(python_version: str | None = None, *, force_build: bool = False) -> Image:
        """Debian with Python."""
        if python_version is not None and not isinstance(python_version, str):
            raise InvalidError(f'`python_version` must be a str such as "3.12", not {type_name(python_version)}')
        return Image()._with("debian_slim", *_given(python_version))

    @staticmethod
    def from_registry(tag: str, *, add_python: str | None = None, **options: Any) -> Image:
        """An image of a container registry."""
        return Image()._with("from_registry", tag, *_given(add_python))

    @staticmethod
    def from_aws_ecr(tag: str, **options: Any) -> Image:
        """An image of a private registry of AWS."""
        return Image()._with("from_aws_ecr", tag)

    @staticmethod
    def from_gcp_artifact_registry(tag: str, **options: Any) -> Image:
        """An image of a private registry of Google Cloud."""
        return Image()._with("from_gcp_artifact_registry", tag)

    @staticmethod
    def from_dockerfile(path: StrPath, **options: Any) -> Image:
        """What a Dockerfile builds."""
        return Image()._with("from_dockerfile", os.fspath(path))

    @staticmethod
    def from_name(name: str, **options: Any) -> Image:
        """A named image."""
        return Image()._with("from_name", name)

    @staticmethod
    def from_scratch(**options: Any) -> Image:
        """Nothing."""
        return Image()._with("from_scratch")

    @staticmethod
    def micromamba(python_version: str | None = None, *, force_build: bool = False) -> Image:
        """Debian with micromamba."""
        return Image()._with("micromamba", *_given(python_version))

    # --- Python packages ---

    def pip_install(self, *packages: Packages, **options: Any) -> Image:
        """Requirement strings, or lists of them: `pip_install("numpy", ["pandas>=2"])`. Options are pip's."""
        names = _flat("pip_install", packages)
        return self._with("pip_install", *names, requirements=names)

    def uv_pip_install(self, *packages: Packages, requirements: Sequence[str] | None = None, **options: Any) -> Image:
        """As `pip_install`; `requirements` are requirement files."""
        names = _flat("uv_pip_install", packages)
        for path in requirements or ():
            names += requirements_in_file(path)
        return self._with("uv_pip_install", *names, requirements=names)

    def pip_install_from_requirements(self, requirements_txt: StrPath, **options: Any) -> Image:
        """The requirements in a file, with the files it names."""
        return self._with(
            "pip_install_from_requirements",
            os.fspath(requirements_txt),
            requirements=requirements_in_file(requirements_txt),
        )

    def pip_install_from_pyproject(
        self, pyproject_toml: StrPath, optional_dependencies: Sequence[str] = (), **options: Any
    ) -> Image:
        """A project's dependencies, with those of the named extras."""
        names = pyproject_requirements(pyproject_toml, optional_dependencies)
        return self._with("pip_install_from_pyproject", os.fspath(pyproject_toml), requirements=names)

    def pip_install_private_repos(self, *repositories: str, git_user: str, **options: Any) -> Image:
        """Packages in private git repositories: `"host/owner/repository@branch"`."""
        names = [f"git+https://{repository}" for repository in _flat("pip_install_private_repos", repositories)]
        return self._with("pip_install_private_repos", *repositories, requirements=names)

    def uv_sync(self, uv_project_dir: StrPath = "./", *, extras: Sequence[str] | None = None, **options: Any) -> Image:
        """A project's dependencies, by its lock file."""
        names = pyproject_requirements(os.path.join(uv_project_dir, "pyproject.toml"), extras or ())
        return self._with("uv_sync", os.fspath(uv_project_dir), requirements=names)

    def poetry_install_from_file(self, poetry_pyproject_toml: StrPath, *others: StrPath, **options: Any) -> Image:
        """A Poetry project's dependencies."""
        return self._with("poetry_install_from_file", os.fspath(poetry_pyproject_toml))

    def micromamba_install(self, *packages: Packages, **options: Any) -> Image:
        """Conda packages."""
        return self._with("micromamba_install", *_flat("micromamba_install", packages))

    # --- everything else ---

    def apt_install(self, *packages: Packages, **options: Any) -> Image:
        """System packages."""
        names = _flat("apt_install", packages)
        return self._with("apt_install", *names, system_packages=names)

    def run_commands(self, *commands: Packages, **options: Any) -> Image:
        """Shell commands."""
        return self._with("run_commands", *_flat("run_commands", commands))

    def run_function(self, raw_f: Callable[..., Any], **options: Any) -> Image:
        """A function that prepares the image."""
        if not callable(raw_f):
            raise InvalidError(f"Argument to Image.run_function must be a function, not {type_name(raw_f)}.")
        return self._with("run_function", getattr(raw_f, "__qualname__", raw_f))

    def dockerfile_commands(self, *commands: Packages, **options: Any) -> Image:
        """Dockerfile lines."""
        return self._with("dockerfile_commands", *_flat("dockerfile_commands", commands))

    def env(self, vars: Mapping[str, str]) -> Image:
        """Environment variables, which functions with this image have."""
        checked = checked_env("the argument of Image.env", vars)
        return self._with("env", *checked, env=checked)

    def workdir(self, path: StrPath) -> Image:
        """The working directory."""
        return self._with("workdir", os.fspath(path))

    def entrypoint(self, entrypoint_commands: Sequence[str]) -> Image:
        """The image's entrypoint."""
        return self._with("entrypoint", *_flat("entrypoint", entrypoint_commands))

    def shell(self, shell_commands: Sequence[str]) -> Image:
        """The shell for later commands."""
        return self._with("shell", *_flat("shell", shell_commands))

    def cmd(self, cmd: Sequence[str]) -> Image:
        """The image's default command."""
        return self._with("cmd", *_flat("cmd", cmd))

    def add_local_file(self, local_path: StrPath, remote_path: str, *, copy: bool = False) -> Image:
        """A file of this machine. It travels with a deployment: see docs/server.md. In runs functions find it where it is;
        if it is not at `remote_path`, too, that is reported."""
        return self._with_files("add_local_file", local_path, remote_path)

    def add_local_dir(self, local_path: StrPath, remote_path: str, *, copy: bool = False, ignore: Any = ()) -> Image:
        """A directory of this machine, as for `add_local_file`. `ignore`: what stays at home, as patterns of a
        `.dockerignore`, or a function of a path."""
        return self._with_files("add_local_dir", local_path, remote_path, ignore)

    def add_local_python_source(self, *modules: str, copy: bool = False, ignore: Any = ()) -> Image:
        """Modules and packages of this machine, by name: they travel with a deployment, as what it has imported does by
        itself. `ignore` as for `add_local_dir`."""
        names = _flat("add_local_python_source", modules)
        patterns = kept_patterns("add_local_python_source", ignore)
        files = [LocalFiles(kind="module", source=name, ignore=patterns) for name in names]
        return self._with("add_local_python_source", *names, files=files)

    def copy_local_file(self, local_path: StrPath, remote_path: str = "./") -> Image:
        """As `add_local_file`."""
        return self._with_files("copy_local_file", local_path, remote_path)

    def copy_local_dir(self, local_path: StrPath, remote_path: str = ".", ignore: Any = ()) -> Image:
        """As `add_local_dir`."""
        return self._with_files("copy_local_dir", local_path, remote_path, ignore)

    def _with_files(self, step: str, local_path: StrPath, remote_path: StrPath, ignore: Any = ()) -> Image:
        local, remote = os.fspath(local_path), os.fspath(remote_path)
        is_file = step.endswith("_file")
        there = os.path.join(remote, os.path.basename(local)) if is_file and remote.endswith("/") else remote
        added = LocalFiles(
            kind="file" if is_file else "directory",
            source=os.path.abspath(local),
            target=there,
            ignore=kept_patterns(step, ignore),
        )
        return self._with(step, local, remote, files=[added])

    @contextlib.contextmanager
    def imports(self) -> Iterator[None]:
        """Imports that only containers need: `with image.imports(): import torch`. Here, an `ImportError` ends the block
        without a word; in a container it is raised."""
        try:
            yield
        except ImportError:
            if not is_local():
                raise

    def __repr__(self) -> str:
        return f"<motet.Image: {'; '.join(self.spec.steps) or 'empty'}>"


def _given(value: str | None) -> list[str]:
    return [] if value is None else [value]


def _flat(method: str, packages: Any) -> list[str]:
    if isinstance(packages, str):
        return [packages]
    if not isinstance(packages, list | tuple):
        raise InvalidError(f"Image.{method} takes str or lists of str, not {packages!r}")
    return [name for each in packages for name in _flat(method, each)]
