"""RUN instructions: what a shell carries out in a build, with the files, variables and secrets of that step alone."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping, Sequence

from motet.errors import InvalidError
from motet.images.oci.stages import ContextFile, UvProgram, WrittenText
from motet.model.image import BuildStep

BUILD = "/opt/motet-build"
"""Where steps of a build find files of its directory; nothing of them stays in the image."""

UV = f"{BUILD}/uv"
INDEXES = "indexes"
"""The name of the secret with the variables of this machine that say where packages come from."""
CERTIFICATES = "certificates"
"""The name of the secret with the authorities that this machine trusts, if a variable names them."""

_UV_MOUNTS = (
    "--mount=type=cache,id=motet-uv,target=/root/.cache/uv",
    f"--mount=type=bind,source=uv,target={UV}",
    *(f"--mount=type=secret,id={name},target={BUILD}/{name}" for name in (INDEXES, CERTIFICATES)),
)


class RunInstructions:
    """Makes the RUN instructions of one stage, and gathers what they need in `files` and `secrets`."""

    def __init__(self, first_secret: int) -> None:
        self.files: dict[str, ContextFile] = {}
        self.secrets: dict[str, dict[str, str]] = {}
        self._first_secret = first_secret

    def shell(self, step: BuildStep, command: str, mounts: Sequence[str] = ()) -> str:
        """A command. One that an instruction cannot hold as it is becomes a file."""
        if "\n" in command or "<<" in command or command.endswith("\\") or command.lstrip().startswith(("--", "[")):
            script = self.file("scripts", command, ".sh")
            mounts = (*mounts, f"--mount=type=bind,source={script},target={BUILD}/script")
            command = f"/bin/sh -e {BUILD}/script"
        return self._run(step, command, mounts)

    def with_uv(self, step: BuildStep, command: str, mounts: Sequence[str] = ()) -> str:
        """A command of uv, which is told of this machine's indexes."""
        self.files["uv"] = UvProgram()
        # Links to files of the cache would be links to what the image has not.
        words = f"set -a; . {BUILD}/{INDEXES}; UV_LINK_MODE=copy; set +a; {command}"
        return self._run(step, words, (*_UV_MOUNTS, *mounts))

    def file(self, kind: str, text: str, suffix: str) -> str:
        """A file in the directory of the build, named by its content: builders look at names alone."""
        path = f"{kind}/{digest_of(text.encode(errors='surrogatepass'))}{suffix}"
        self.files[path] = WrittenText(text)
        return path

    def _run(self, step: BuildStep, command: str, mounts: Sequence[str]) -> str:
        prefix = ""
        if step.secrets:
            name = f"secrets-{self._first_secret + len(self.secrets)}"
            # Not with what they are worth: an image is the same with another password.
            self.secrets[name] = dict(step.secrets)
            mounts = (*mounts, f"--mount=type=secret,id={name},target={BUILD}/{name}")
            prefix = f"set -a; . {BUILD}/{name}; set +a; "
        if step.env:
            given = (f"{name}={shlex.quote(value)}" for name, value in checked_lines(step.env).items())
            prefix += f"export {' '.join(given)}; "
        return " ".join(("RUN", *mounts, prefix + command))


def digest_of(content: bytes) -> str:
    """By which a file is named in the directory of a build."""
    return hashlib.sha256(content).hexdigest()[:16]


def checked_lines(env: Mapping[str, str]) -> Mapping[str, str]:
    """These variables. Raises `InvalidError` for a value with a line break."""
    for name, value in env.items():
        if "\n" in value or "\r" in value:
            raise InvalidError(
                f"the variable {name} of an image has a line break, which no instruction of a Containerfile can hold; give it "
                "to the function instead, as @app.function(env={...}) or a motet.Secret"
            )
    return env
