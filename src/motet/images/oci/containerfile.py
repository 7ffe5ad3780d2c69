"""The instructions that build an image, from its steps: equal images have equal ones, and a later step changes no earlier line.

Each step has instructions of its own, so that what an engine keeps of an earlier build serves up to the first step that is
another one. What a step takes from the directory of the build is named by its content there: builders look at names alone.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from motet.errors import InvalidError, UnimplementedError
from motet.images.oci import packages
from motet.images.oci.preparing import preparing_instruction
from motet.images.oci.run_instruction import RunInstructions, checked_lines
from motet.images.oci.stages import ContextFile, Copied, Instruction, RegistryLogin, Stage, tag_of
from motet.model import image
from motet.model.image import ImageSpec, Step
from motet.model.local_files import LocalFiles

APT = "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends"
MODULES = "/root"
"""Where modules that an image copies are found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What else decides how an image is built. `base`: what `debian_slim` begins with, `{python}` being its version. `python`:
    the version of the program. `repository`: what images are named in. `located`: where files that an image adds lie here;
    `digest`: what stands for their content."""

    base: str
    python: str
    repository: str
    located: Callable[[LocalFiles], Copied]
    digest: Callable[[Copied], str]


def stages_of(spec: ImageSpec, around: Surroundings) -> tuple[Stage, ...]:
    """How an image is built. Raises `InvalidError` for what cannot be."""
    steps = spec.steps
    if not steps or not isinstance(
        steps[0], image.DebianSlim | image.RegistryImage | image.Dockerfile | image.ScratchImage
    ):
        steps = (image.DebianSlim(), *steps)
    made: list[Stage] = []
    begun = _Begun(around, "", 0)
    for step in steps:
        if begun.must_end_before(step):
            made.append(begun.ended())
            begun = _Begun(around, made[-1].tag, sum(len(stage.secrets) for stage in made))
        begun.add(step)
    return (*made, begun.ended())


class _Begun:
    """A stage to which steps are added. `before`: the tag of the one before it."""

    def __init__(self, around: Surroundings, before: str, secrets: int) -> None:
        self._around = around
        self._before = before
        self._runs = RunInstructions(secrets)
        self._instructions: list[Instruction] = []
        self._files: dict[str, ContextFile] = {}
        self._build_args: dict[str, str] = {}
        self._login: RegistryLogin | None = None
        self._anew = False
        self._is_begun = False
        self._is_whole = False
        """Its directory is the user's own: what comes next has another one."""
        if before:
            self._instructions.append(Instruction(f"FROM {before}", "the steps before"))

    def must_end_before(self, step: Step) -> bool:
        if not self._is_begun:
            return False
        return (
            self._is_whole
            or (step.force and not self._anew)
            or _has_directory(step)
            or (isinstance(step, image.PreparingFunction))
        )

    def add(self, step: Step) -> None:
        self._is_begun = True
        self._anew = self._anew or step.force
        self._instructions += [Instruction(text, str(step)) for text in self._instructions_of(step)]

    def ended(self) -> Stage:
        """The stage, with its tag."""
        files = {**self._runs.files, **self._files}
        stage = Stage(
            tag="",
            instructions=tuple(self._instructions),
            files=files,
            build_args=self._build_args,
            secrets=self._runs.secrets,
            login=self._login,
            anew=self._anew,
        )
        # Others say in their names what is in them; and of a function that prepares, its own code counts alone.
        contents = {name: self._around.digest(file) for name, file in self._files.items() if isinstance(file, Copied)}
        return replace(stage, tag=tag_of(self._around.repository, self._before, stage, contents))

    def _instructions_of(self, step: Step) -> Iterable[str]:  # noqa: PLR0911, PLR0912 - a case for each kind of step
        match step:
            case image.DebianSlim():
                return [f"FROM {self._around.base.format(python=step.python_version or self._around.python)}"]
            case image.RegistryImage():
                return self._registry(step)
            case image.Dockerfile():
                return self._dockerfile(step)
            case image.ScratchImage():
                return ["FROM scratch"]
            case image.NamedImage():
                raise UnimplementedError(
                    f"Image.from_name({step.name!r}): there are no published images here; build the image from its steps"
                )
            case image.PythonPackages():
                return [packages.python_packages(self._runs, step)]
            case image.LockedProject():
                return [packages.project(self._runs, step)]
            case image.SystemPackages():
                names = " ".join(sorted(step.packages))
                return [self._runs.shell(step, f"{APT} {names} && rm -rf /var/lib/apt/lists/*")]
            case image.ShellCommands():
                return [self._runs.shell(step, command) for command in step.commands]
            case image.DockerfileLines():
                return self._lines(step)
            case image.Variables():
                return [f"ENV {name}={_quoted(value)}" for name, value in checked_lines(step.env).items()]
            case image.WorkingDirectory():
                return [f"WORKDIR {_escaped(step.path)}"]
            case image.Entrypoint():
                return [f"ENTRYPOINT {_words(step.command)}"]
            case image.DefaultCommand():
                return [f"CMD {_words(step.command)}"]
            case image.BuildShell():
                return [f"SHELL {_words(step.command)}"]
            case image.AddedFiles():
                return [self._copy(files) for files in step.files] if step.is_copied else []
            case image.PreparingFunction():
                self._is_whole = True
                return [preparing_instruction(self._runs, step)]
            case _ as never:
                assert_never(never)

    def _registry(self, step: image.RegistryImage) -> list[str]:
        self._login = _login(step.reference, step.provider, step.secrets)
        lines = [f"FROM {step.reference}", *step.setup]
        if step.python_version:
            lines.append(packages.python_instruction(self._runs, step, step.python_version))
        return lines

    def _dockerfile(self, step: image.Dockerfile) -> list[str]:
        if not step.text:
            raise InvalidError(f"Image.from_dockerfile({step.path!r}): there is nothing in that file")
        self._login = _login(_first_base(step.text), "", step.registry_secrets)
        self._build_args = dict(step.build_args)
        if step.context:
            self._files[""] = Copied(step.context, step.ignore)
        if not step.python_version:
            self._is_whole = True
            return [step.text.rstrip("\n")]
        return [step.text.rstrip("\n"), packages.python_instruction(self._runs, step, step.python_version)]

    def _lines(self, step: image.DockerfileLines) -> Sequence[str]:
        if _has_directory(step):
            self._is_whole = True
            self._build_args = dict(step.build_args)
            if step.context:
                self._files[""] = Copied(step.context, step.ignore)
            self._files.update({name: Copied(source) for name, source in step.context_files.items()})
        return step.lines

    def _copy(self, files: LocalFiles) -> str:
        copied = self._around.located(files)
        place = f"files/{self._around.digest(copied)}"
        self._files[place] = copied
        target = files.target
        if files.kind == "module":
            target = posixpath.join(MODULES, posixpath.basename(copied.source))
        return f"COPY {_words([place, _dollars(target)])}"


def _has_directory(step: Step) -> bool:
    if isinstance(step, image.DockerfileLines):
        return bool(step.context or step.context_files or step.build_args)
    return False


def _login(reference: str, provider: str, secrets: dict[str, str]) -> RegistryLogin | None:
    """Raises `InvalidError` for secrets that open no registry."""
    if not secrets:
        return None
    registry = registry_of(reference)
    if provider == "gcp_artifact_registry" and "SERVICE_ACCOUNT_JSON" in secrets:
        return RegistryLogin(registry=registry, username="_json_key", password=secrets["SERVICE_ACCOUNT_JSON"])
    if "REGISTRY_PASSWORD" in secrets:
        return RegistryLogin(
            registry=registry, username=secrets.get("REGISTRY_USERNAME", ""), password=secrets["REGISTRY_PASSWORD"]
        )
    if provider == "aws_ecr":
        raise InvalidError(
            f"the image {reference} needs a password of AWS, which Motet does not ask AWS for: run `aws ecr "
            "get-login-password` and give what it prints as REGISTRY_PASSWORD, with REGISTRY_USERNAME=AWS, in the secret"
        )
    raise InvalidError(
        f"the secret for the image {reference} has none of the variables that a registry is asked with: REGISTRY_USERNAME and "
        f"REGISTRY_PASSWORD; it has {', '.join(sorted(secrets))}"
    )


def registry_of(reference: str) -> str:
    """The host of a registry, by the name of an image of it.

    >>> registry_of("python:3.12"), registry_of("ghcr.io/a/b:1"), registry_of("localhost:5000/a")
    ('docker.io', 'ghcr.io', 'localhost:5000')
    """
    host, slash, _ = reference.partition("/")
    return host if slash and ("." in host or ":" in host or host == "localhost") else "docker.io"


def _first_base(text: str) -> str:
    for line in text.splitlines():
        words = line.split()
        if words and words[0].upper() == "FROM":
            return next((word for word in words[1:] if not word.startswith("--")), "")
    return ""


def _words(words: Sequence[str]) -> str:
    return json.dumps(list(words), ensure_ascii=False)


def _dollars(word: str) -> str:
    """Of instructions in which builders put variables in their place: not those that name a command."""
    return word.replace("$", "\\$")


def _escaped(word: str) -> str:
    return _dollars(word.replace("\\", "\\\\"))


def _quoted(value: str) -> str:
    return '"' + _escaped(value).replace('"', '\\"') + '"'
