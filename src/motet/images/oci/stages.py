"""What builds an OCI image: instructions, the files that they take, and what they are told in secret."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TypeAlias

from motet.model.hidden import hides_secrets


@dataclass(frozen=True, slots=True)
class WrittenText:
    """A file by what stands in it."""

    text: str


@dataclass(frozen=True, slots=True)
class Copied:
    """A file or directory of this machine. `ignore`: patterns of what is left out of a directory."""

    source: str
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bytes:
    """A file by its bytes."""

    content: bytes


@dataclass(frozen=True, slots=True)
class UvProgram:
    """The program `uv` of this machine."""


@dataclass(frozen=True, slots=True)
class RuntimeFiles:
    """Motet itself and what it needs, for the Python that the image has so far."""


ContextFile: TypeAlias = WrittenText | Bytes | Copied | UvProgram | RuntimeFiles


@dataclass(frozen=True, slots=True)
class Instruction:
    """Of a Containerfile: its text, and which step of the image it comes from."""

    text: str
    origin: str


@hides_secrets
@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryLogin:
    """The way into a registry, for one build."""

    registry: str
    username: str
    password: str


@hides_secrets
@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One build. An image takes several where a step brings a directory of its own, needs the image so far, or is to be taken
    anew; each begins with what the one before it made, which is known by that one's `tag`.

    `files` by their paths in the directory of the build; "" is that directory itself. `secrets`: by the names that the
    instructions have for them, each some variables; they are no part of what an image is. `anew`: whatever is kept.
    """

    tag: str
    instructions: tuple[Instruction, ...]
    files: dict[str, ContextFile] = field(default_factory=dict)
    build_args: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    login: RegistryLogin | None = None
    anew: bool = False

    @property
    def text(self) -> str:
        """The Containerfile."""
        return "".join(f"{each.text}\n" for each in self.instructions)


def tag_of(repository: str, before: str, stage: Stage, contents: dict[str, str]) -> str:
    """The name under which an engine keeps what a stage makes, in a repository, by all that it is made of. `contents`: digests
    of files."""
    digest = hashlib.sha256(before.encode())
    parts = [stage.text, *map(repr, sorted(contents.items())), *map(repr, sorted(stage.build_args.items()))]
    for part in parts:
        digest.update(b"\0" + part.encode(errors="surrogatepass"))
    return f"{repository}:{digest.hexdigest()[:32]}"
