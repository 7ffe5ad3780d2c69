"""What an image is: the steps that make it, in the order in which they were written."""

from __future__ import annotations

import posixpath
import re
from typing import Literal, TypeAlias, TypeVar

import msgspec
from msgspec.structs import replace

from motet.model.hidden import hides_secrets
from motet.model.local_files import LocalFiles
from motet.model.oci_image import OciImage

S = TypeVar("S", bound="BuildStep")


@hides_secrets
class BuildStep(msgspec.Struct, frozen=True, kw_only=True):
    """What steps have in common. `env` and `secrets`: variables of this step alone, while an image is built; what secrets are
    worth is no part of what an image is. `gpu`: one that the step asks for. `force`: it is taken anew, whatever is kept."""

    env: dict[str, str] = msgspec.field(default_factory=dict)
    secrets: dict[str, str] = msgspec.field(default_factory=dict)
    gpu: str = ""
    force: bool = False

    @property
    def method(self) -> str:
        """The method of `motet.Image` that makes such a step."""
        return str(self.__struct_config__.tag)

    @property
    def words(self) -> tuple[str, ...]:
        """What it was called with, for people."""
        return ()

    def __str__(self) -> str:
        return " ".join((self.method, *self.words))


class BuildPlace(msgspec.Struct, frozen=True, kw_only=True):
    """Where code that an image runs while it is built is found: as for containers (see `AppSpec`)."""

    sys_path: tuple[str, ...] = ()
    project_dir: str = ""


# --- where an image starts --------------------------------------------------------------------------------------------


class DebianSlim(BuildStep, frozen=True, kw_only=True, tag="debian_slim"):
    """Debian with Python. `python_version`: such as "3.12"; empty: that of the program."""

    python_version: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        return given(self.python_version)


class RegistryImage(BuildStep, frozen=True, kw_only=True, tag="from_registry"):
    """An image of a container registry, to which `secrets` are the way in. `python_version`: a Python to add; empty: the image
    has one. `setup`: lines of a Dockerfile that come before anything else."""

    reference: str
    python_version: str = ""
    setup: tuple[str, ...] = ()
    provider: Literal["", "aws_ecr", "gcp_artifact_registry"] = ""

    @property
    def method(self) -> str:
        return f"from_{self.provider or 'registry'}"

    @property
    def words(self) -> tuple[str, ...]:
        return (self.reference, *given(self.python_version))


@hides_secrets
class Dockerfile(BuildStep, frozen=True, kw_only=True, tag="from_dockerfile"):
    """What a Dockerfile builds. `text`: what stands in it; empty where it was not read. `context`: the absolute path of the
    directory its paths are relative to; empty: none was named. `ignore`: patterns of what the build does not see.
    `registry_secrets`: the way into the registry of its base."""

    path: str
    text: str = ""
    context: str = ""
    ignore: tuple[str, ...] = ()
    build_args: dict[str, str] = msgspec.field(default_factory=dict)
    python_version: str = ""
    registry_secrets: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def words(self) -> tuple[str, ...]:
        return (self.path, *given(self.python_version))


class ScratchImage(BuildStep, frozen=True, kw_only=True, tag="from_scratch"):
    """Nothing."""


class NamedImage(BuildStep, frozen=True, kw_only=True, tag="from_name"):
    """An image that was published under a name."""

    name: str

    @property
    def words(self) -> tuple[str, ...]:
        return (self.name,)


# --- Python packages --------------------------------------------------------------------------------------------------


class PackageStep(BuildStep, frozen=True, kw_only=True):
    """A step that installs Python packages. `lines`: what to install, as in a file of requirements: one requirement a line,
    with its hashes, and options that stand by themselves, which begin with a dash. `constraints`: requirements that hold for
    what is installed, and install nothing."""

    lines: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()

    @property
    def requirements(self) -> tuple[str, ...]:
        """The requirements of its lines, without hashes and options."""
        return tuple(found for line in self.lines if (found := requirement_of(line)))


class PythonPackages(PackageStep, frozen=True, kw_only=True, tag="pip_install"):
    """Packages from an index. `way`: the method that was called, if it is not `pip_install`. `pre`: also versions before their
    release. `extra_options`: what else is said to pip or uv, as it was written. `file`: the one that `lines` were read from."""

    way: str = ""
    index_url: str = ""
    extra_index_url: str = ""
    find_links: str = ""
    pre: bool = False
    extra_options: str = ""
    uv_version: str = ""
    file: str = ""
    git_user: str = ""

    @property
    def method(self) -> str:
        return self.way or "pip_install"

    @property
    def words(self) -> tuple[str, ...]:
        return given(self.file) or self.lines


class LockedProject(PackageStep, frozen=True, kw_only=True, tag="project"):
    """What a project depends on, as its lock file says. `pyproject` and `lock`: what stands in the two files; empty: there is
    none, or it was not read. `lines` are the project's own requirements. Of a Poetry project, `constraints` are the versions in
    its lock file, and `indexes` its sources beside the usual one. `frozen`: the lock file is taken as it is."""

    tool: Literal["uv", "poetry"] = "uv"
    directory: str
    pyproject: str = ""
    lock: str = ""
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    frozen: bool = True
    extra_options: str = ""
    tool_version: str = ""
    indexes: tuple[str, ...] = ()

    @property
    def method(self) -> str:
        return "uv_sync" if self.tool == "uv" else "poetry_install_from_file"

    @property
    def words(self) -> tuple[str, ...]:
        return (self.directory,)


# --- everything else --------------------------------------------------------------------------------------------------


class SystemPackages(BuildStep, frozen=True, kw_only=True, tag="apt_install"):
    """Packages of Debian."""

    packages: tuple[str, ...]

    @property
    def words(self) -> tuple[str, ...]:
        return self.packages


class ShellCommands(BuildStep, frozen=True, kw_only=True, tag="run_commands"):
    """Commands that a shell carries out, one after the other."""

    commands: tuple[str, ...]

    @property
    def words(self) -> tuple[str, ...]:
        return self.commands


class DockerfileLines(BuildStep, frozen=True, kw_only=True, tag="dockerfile_commands"):
    """Lines as in a Dockerfile. `context_files`: paths in the build, and the files of this machine they stand for. The other
    fields are as in `Dockerfile`."""

    lines: tuple[str, ...]
    context_files: dict[str, str] = msgspec.field(default_factory=dict)
    context: str = ""
    ignore: tuple[str, ...] = ()
    build_args: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def words(self) -> tuple[str, ...]:
        return self.lines


@hides_secrets
class Variables(BuildStep, frozen=True, kw_only=True, tag="env"):
    """Environment variables (`env`), for later steps and for containers."""

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(self.env)


class WorkingDirectory(BuildStep, frozen=True, kw_only=True, tag="workdir"):
    """The directory in which later steps and containers are."""

    path: str

    @property
    def words(self) -> tuple[str, ...]:
        return (self.path,)


class Entrypoint(BuildStep, frozen=True, kw_only=True, tag="entrypoint"):
    """The words of the program that a container begins with."""

    command: tuple[str, ...]

    @property
    def words(self) -> tuple[str, ...]:
        return self.command


class DefaultCommand(BuildStep, frozen=True, kw_only=True, tag="cmd"):
    """The words of the command of a container that is told none."""

    command: tuple[str, ...]

    @property
    def words(self) -> tuple[str, ...]:
        return self.command


class BuildShell(BuildStep, frozen=True, kw_only=True, tag="shell"):
    """The shell that carries out the commands of later steps."""

    command: tuple[str, ...]

    @property
    def words(self) -> tuple[str, ...]:
        return self.command


class AddedFiles(BuildStep, frozen=True, kw_only=True, tag="add_local"):
    """Files of the machine that the image is written on. `way`: the method that was called. `is_copied`: they become a part of
    the image, so that later steps see them; otherwise containers find them at their start."""

    files: tuple[LocalFiles, ...]
    is_copied: bool = False
    way: str

    @property
    def method(self) -> str:
        return self.way

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(str(each) for each in self.files)


class PreparingFunction(BuildStep, frozen=True, kw_only=True, tag="run_function"):
    """A function that runs once, in the image, when that is built: found by importing `module`, or `file` if the name alone
    cannot be imported. `source`: what stands for its code, so that other code is another image. `arguments`: what it is
    called with, pickled; empty: nothing. `timeout`: seconds it may take."""

    module: str
    qualname: str
    file: str = ""
    source: str = ""
    arguments: bytes = b""
    timeout: float = 3600.0

    @property
    def words(self) -> tuple[str, ...]:
        return (self.qualname,)


Step: TypeAlias = (
    DebianSlim
    | RegistryImage
    | Dockerfile
    | ScratchImage
    | NamedImage
    | PythonPackages
    | LockedProject
    | SystemPackages
    | ShellCommands
    | DockerfileLines
    | Variables
    | WorkingDirectory
    | Entrypoint
    | DefaultCommand
    | BuildShell
    | AddedFiles
    | PreparingFunction
)


@hides_secrets
class ImageSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What the user asked for, step by step. `env`: the variables of its containers: those of its steps, and what a run adds.
    `files`: those of its steps that have not been packed yet. `python`: the interpreter of its environment, as the server of
    the containers says; empty: the base environment's. `oci`: at the isolation level of that name, the image that was built."""

    env: dict[str, str] = msgspec.field(default_factory=dict)
    files: tuple[LocalFiles, ...] = ()
    # Not "steps": under that name, Motet once kept lines of text, which deployments still have.
    steps: tuple[Step, ...] = msgspec.field(default=(), name="recipe")
    python: str = ""
    oci: OciImage | None = None

    def of_kind(self, kind: type[S]) -> tuple[S, ...]:
        """Its steps of one kind, in order."""
        return tuple(step for step in self.steps if isinstance(step, kind))

    @property
    def workdir(self) -> str:
        """Where its containers begin, as its steps say one after the other; "": where the program is."""
        found = ""
        for step in self.of_kind(WorkingDirectory):
            found = posixpath.join(found, step.path)
        return posixpath.normpath(found) if found else ""

    def not_anew(self) -> ImageSpec:
        """The same, of which what was built before serves, also if it was to be taken anew then."""
        if not any(step.force for step in self.steps):
            return self
        return replace(self, steps=tuple(replace(step, force=False) for step in self.steps))

    @property
    def requirements(self) -> tuple[str, ...]:
        """Of Python packages, as strings such as "numpy>=2"."""
        return tuple(found for step in self.of_kind(PackageStep) for found in step.requirements)

    @property
    def python_version(self) -> str:
        """The one that was asked for, such as "3.12"; "" is any."""
        versions = (
            step.python_version for step in self.steps if isinstance(step, DebianSlim | RegistryImage | Dockerfile)
        )
        return next(filter(None, versions), "")

    @property
    def asks_for_environment(self) -> bool:
        """Whether its steps ask for anything that an environment has."""
        kinds = PythonPackages | LockedProject | PreparingFunction
        return bool(self.python_version) or any(isinstance(step, kinds) for step in self.steps)

    @property
    def system_packages(self) -> tuple[str, ...]:
        """The names of Debian's packages."""
        return tuple(name for step in self.of_kind(SystemPackages) for name in step.packages)


def requirement_of(line: str) -> str:
    """The requirement in a line of a file of requirements; "" if there is none.

    >>> requirement_of("scipy==1.0 --hash=sha256:abc"), requirement_of("-e ./here"), requirement_of("--pre")
    ('scipy==1.0', './here', '')
    """
    editable = re.match(r"(?:-e|--editable)[\s=]*(.+)", line)
    if editable:
        return editable.group(1).strip()
    return "" if line.startswith("-") else re.split(r"\s--", line, maxsplit=1)[0].strip()


def given(*values: str) -> tuple[str, ...]:
    """Those that are not empty."""
    return tuple(value for value in values if value)
