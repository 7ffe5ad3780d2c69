"""The Python packages of an image."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Self

from motet.context.container import is_local
from motet.errors import InvalidError
from motet.model.image import LockedProject, PythonPackages
from motet.sdk.options.image_recording import (
    Environment,
    RecordedImage,
    Secrets,
    StrPath,
    build_options,
    flat,
    named_options,
    text,
)
from motet.sdk.options.requirements import project_file, pyproject_requirements, requirement_lines

Packages = str | Sequence["Packages"]


class ImagePackages(RecordedImage):
    """Each installs packages on top of what is there."""

    @named_options
    def pip_install(
        self,
        *packages: Packages,
        find_links: str | None = None,
        index_url: str | None = None,
        extra_index_url: str | None = None,
        pre: bool = False,
        extra_options: str = "",
        force_build: bool = False,
        env: Environment = None,
        secrets: Secrets = None,
        gpu: str | None = None,
    ) -> Self:
        """Requirement strings, or lists of them: `pip_install("numpy", ["pandas>=2"])`. The other options are pip's."""
        lines = _lines("pip_install", packages)
        return self._installing("pip_install", {"lines": lines}, locals()) if lines else self

    @named_options
    def uv_pip_install(
        self,
        *packages: Packages,
        requirements: Sequence[str] | None = None,
        find_links: str | None = None,
        index_url: str | None = None,
        extra_index_url: str | None = None,
        pre: bool = False,
        extra_options: str = "",
        force_build: bool = False,
        uv_version: str | None = None,
        env: Environment = None,
        secrets: Secrets = None,
        gpu: str | None = None,
    ) -> Self:
        """As `pip_install`; `requirements` are requirement files."""
        lines: list[str] = list(_lines("uv_pip_install", packages))
        constraints: list[str] = []
        for path in flat("uv_pip_install", requirements or ()):
            more, held = _of_file(path)
            lines += more
            constraints += held
        what = {"lines": tuple(lines), "constraints": tuple(constraints), "uv_version": uv_version or ""}
        return self._installing("uv_pip_install", what, locals()) if lines else self

    @named_options
    def pip_install_from_requirements(
        self,
        requirements_txt: StrPath,
        find_links: str | None = None,
        *,
        index_url: str | None = None,
        extra_index_url: str | None = None,
        pre: bool = False,
        extra_options: str = "",
        force_build: bool = False,
        env: Environment = None,
        secrets: Secrets = None,
        gpu: str | None = None,
    ) -> Self:
        """The requirements in a file, with the files it names, its hashes and its options."""
        lines, constraints = _of_file(requirements_txt)
        what = {"lines": lines, "constraints": constraints, "file": os.fspath(requirements_txt)}
        return self._installing("pip_install_from_requirements", what, locals())

    @named_options
    def pip_install_from_pyproject(
        self,
        pyproject_toml: StrPath,
        optional_dependencies: Sequence[str] = (),
        *,
        find_links: str | None = None,
        index_url: str | None = None,
        extra_index_url: str | None = None,
        pre: bool = False,
        extra_options: str = "",
        force_build: bool = False,
        env: Environment = None,
        secrets: Secrets = None,
        gpu: str | None = None,
    ) -> Self:
        """A project's dependencies, with those of the named extras."""
        lines = tuple(pyproject_requirements(pyproject_toml, optional_dependencies)) if is_local() else ()
        what = {"lines": lines, "file": os.fspath(pyproject_toml)}
        return self._installing("pip_install_from_pyproject", what, locals())

    @named_options
    def pip_install_private_repos(
        self,
        *repositories: str,
        git_user: str,
        find_links: str | None = None,
        index_url: str | None = None,
        extra_index_url: str | None = None,
        pre: bool = False,
        extra_options: str = "",
        gpu: str | None = None,
        env: Environment = None,
        secrets: Secrets = None,
        force_build: bool = False,
    ) -> Self:
        """Packages in private git repositories: `"host/owner/repository@branch"`. `secrets` have the token, as `GITHUB_TOKEN`
        or `GITLAB_TOKEN`."""
        lines = tuple(f"git+https://{each}" for each in flat("pip_install_private_repos", repositories))
        what = {"lines": lines, "git_user": text("pip_install_private_repos", "git_user", git_user)}
        return self._installing("pip_install_private_repos", what, locals())

    def _installing(self, method: str, what: dict[str, Any], given: dict[str, Any]) -> Self:
        names = ("index_url", "extra_index_url", "find_links", "extra_options")
        options: dict[str, Any] = {name: text(method, name, given[name]) for name in names}
        _check_options(method, options["extra_options"])
        common = build_options(method, given["env"], given["secrets"], given["gpu"], given["force_build"])
        return self.recorded(
            PythonPackages(
                way="" if method == "pip_install" else method, pre=bool(given["pre"]), **what, **options, **common
            )
        )

    @named_options
    def uv_sync(
        self,
        uv_project_dir: StrPath = "./",
        *,
        force_build: bool = False,
        groups: Sequence[str] | None = None,
        extras: Sequence[str] | None = None,
        frozen: bool = True,
        extra_options: str = "",
        uv_version: str | None = None,
        env: Environment = None,
        secrets: Secrets = None,
        gpu: str | None = None,
    ) -> Self:
        """A project's dependencies, by its lock file. `frozen`: the lock file is taken as it is."""
        directory = os.fspath(uv_project_dir)
        project = os.path.join(directory, "pyproject.toml")
        return self.recorded(
            LockedProject(
                directory=directory,
                pyproject=project_file(project),
                lock=project_file(os.path.join(directory, "uv.lock"), may_be_missing=True),
                lines=tuple(pyproject_requirements(project, extras or ())) if is_local() else (),
                extras=flat("uv_sync", extras or ()),
                groups=flat("uv_sync", groups or ()),
                frozen=bool(frozen),
                extra_options=text("uv_sync", "extra_options", extra_options),
                tool_version=uv_version or "",
                **build_options("uv_sync", env, secrets, gpu, force_build),
            )
        )

    @named_options
    def poetry_install_from_file(
        self,
        poetry_pyproject_toml: StrPath,
        poetry_lockfile: StrPath | None = None,
        *,
        ignore_lockfile: bool = False,
        force_build: bool = False,
        with_: Sequence[str] = (),
        without: Sequence[str] = (),
        only: Sequence[str] = (),
        poetry_version: str | None = "latest",
        old_installer: bool = False,
        env: Environment = None,
        secrets: Secrets = None,
        gpu: str | None = None,
    ) -> Self:
        """A Poetry project's dependencies: by its lock file, which lies beside it unless `poetry_lockfile` says where."""
        from motet.sdk.options.poetry import (  # late: few have such projects
            locked_versions,
            poetry_indexes,
            poetry_requirements,
        )

        method = "poetry_install_from_file"
        project = os.fspath(poetry_pyproject_toml)
        beside = os.path.join(os.path.dirname(project), "poetry.lock")
        pyproject = project_file(project)
        lock = (
            "" if ignore_lockfile else project_file(poetry_lockfile or beside, may_be_missing=poetry_lockfile is None)
        )
        added, left_out, alone = flat(method, with_), flat(method, without), flat(method, only)
        return self.recorded(
            LockedProject(
                tool="poetry",
                directory=project,
                pyproject=pyproject,
                lock=lock,
                lines=poetry_requirements(project, pyproject, added, left_out, alone),
                constraints=locked_versions(poetry_lockfile or beside, lock),
                groups=added,
                without=left_out,
                only=alone,
                tool_version=poetry_version or "",
                indexes=poetry_indexes(project, pyproject),
                **build_options(method, env, secrets, gpu, force_build),
            )
        )


def _lines(method: str, packages: Any) -> tuple[str, ...]:
    """Requirements and options as they were given: `pip_install("-U", "numpy")` is two."""
    return tuple(line for each in flat(method, packages) if (line := each.strip()))


def _of_file(path: StrPath) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Lines and constraints of a file of requirements; containers need not have it."""
    return requirement_lines(path) if is_local() else ((), ())


def _check_options(method: str, options: str) -> None:
    import shlex  # late: few programs give options

    try:
        shlex.split(options)
    except ValueError as error:
        raise InvalidError(f"Image.{method}: `extra_options` {options!r} cannot be read as words: {error}") from error
