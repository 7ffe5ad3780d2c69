"""Where an image starts."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from motet.bundles.ignoring import kept_patterns
from motet.context.container import is_local
from motet.errors import InvalidError, UnimplementedError
from motet.model.image import DebianSlim, Dockerfile, NamedImage, RegistryImage, ScratchImage
from motet.sdk.options.image_recording import (
    Environment,
    RecordedImage,
    Secrets,
    StrPath,
    build_options,
    flat,
    named_options,
    text,
    version,
)
from motet.sdk.options.secret import Secret

Ignore = Sequence[str] | Callable[[Path], bool]

_NO_CONDA = (
    "Image.{method} needs conda, which Motet has not: start with Image.debian_slim() and install the packages with "
    ".uv_pip_install(...); for programs that PyPI lacks, use .apt_install(...)"
)


class ImageOrigins(RecordedImage):
    """Each gives an image of one step."""

    @classmethod
    @named_options
    def debian_slim(cls, python_version: str | None = None, force_build: bool = False) -> Self:
        """Debian with Python: by default that of the program."""
        return cls().recorded(DebianSlim(python_version=version(python_version), force=bool(force_build)))

    @classmethod
    @named_options
    def from_registry(
        cls,
        tag: str,
        secret: Secret | None = None,
        *,
        setup_dockerfile_commands: Sequence[str] = (),
        force_build: bool = False,
        add_python: str | None = None,
        env: Environment = None,
        secrets: Secrets = None,
        gpu: str | None = None,
    ) -> Self:
        """An image of a container registry. `secret`: the way in, as `REGISTRY_USERNAME` and `REGISTRY_PASSWORD`.
        `add_python`: a version of Python for an image that has none."""
        return cls()._of_registry("from_registry", "", locals())

    @classmethod
    @named_options
    def from_aws_ecr(
        cls,
        tag: str,
        secret: Secret | None = None,
        *,
        setup_dockerfile_commands: Sequence[str] = (),
        force_build: bool = False,
        add_python: str | None = None,
        env: Environment = None,
        secrets: Secrets = None,
        gpu: str | None = None,
    ) -> Self:
        """An image of a private registry of AWS. `secret`: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`."""
        return cls()._of_registry("from_aws_ecr", "aws_ecr", locals())

    @classmethod
    @named_options
    def from_gcp_artifact_registry(
        cls,
        tag: str,
        secret: Secret | None = None,
        *,
        setup_dockerfile_commands: Sequence[str] = (),
        force_build: bool = False,
        add_python: str | None = None,
        env: Environment = None,
        secrets: Secrets = None,
        gpu: str | None = None,
    ) -> Self:
        """An image of a private registry of Google Cloud. `secret`: `SERVICE_ACCOUNT_JSON`."""
        return cls()._of_registry("from_gcp_artifact_registry", "gcp_artifact_registry", locals())

    def _of_registry(self, method: str, provider: Any, given: dict[str, Any]) -> Self:
        credentials = [given["secret"]] if given["secret"] is not None else []
        options = build_options(
            method, given["env"], [*credentials, *(given["secrets"] or ())], given["gpu"], given["force_build"]
        )
        if not isinstance(given["tag"], str) or not given["tag"]:
            raise InvalidError(
                f'Image.{method} takes the name of an image, such as "python:3.12", not {given["tag"]!r}'
            )
        return self.recorded(
            RegistryImage(
                reference=given["tag"],
                python_version=version(given["add_python"], "add_python"),
                setup=flat(method, given["setup_dockerfile_commands"]),
                provider=provider,
                **options,
            )
        )

    @classmethod
    @named_options
    def from_dockerfile(
        cls,
        path: StrPath,
        context_mount: Any = None,
        force_build: bool = False,
        *,
        context_dir: StrPath | None = None,
        ignore: Ignore = (),
        build_args: Mapping[str, str] = {},
        registry_secret: Secret | None = None,
        secrets: Secrets = None,
        env: Environment = None,
        gpu: str | None = None,
        add_python: str | None = None,
    ) -> Self:
        """What a Dockerfile builds. `context_dir`: what its paths are relative to."""
        if context_mount is not None:
            raise UnimplementedError("Image.from_dockerfile: name the directory as context_dir=, not as context_mount=")
        return cls().recorded(
            Dockerfile(
                path=os.fspath(path),
                text=_text_of("from_dockerfile", path),
                context="" if context_dir is None else os.path.abspath(context_dir),
                ignore=kept_patterns("from_dockerfile", ignore),
                build_args=dict(build_args),
                python_version=version(add_python, "add_python"),
                registry_secrets={} if registry_secret is None else registry_secret.env,
                **build_options("from_dockerfile", env, secrets, gpu, force_build),
            )
        )

    @classmethod
    @named_options
    def from_name(cls, name: str, *, environment_name: str | None = None, client: Any = None) -> Self:
        """A named image."""
        return cls().recorded(NamedImage(name=text("from_name", "name", name)))

    @classmethod
    @named_options
    def from_scratch(cls, force_build: bool = False) -> Self:
        """Nothing."""
        return cls().recorded(ScratchImage(force=bool(force_build)))

    @classmethod
    def micromamba(cls, *args: Any, **options: Any) -> Self:
        """Refused: there is no conda here."""
        raise UnimplementedError(_NO_CONDA.format(method="micromamba"))

    def micromamba_install(self, *packages: Any, **options: Any) -> Self:
        """Refused: there is no conda here."""
        raise UnimplementedError(_NO_CONDA.format(method="micromamba_install"))


def _text_of(method: str, path: StrPath) -> str:
    """What stands in a file of the program's machine; containers need not have it."""
    if not is_local():
        return ""
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InvalidError(f"Image.{method}: {os.fspath(path)} cannot be read: {error.strerror}") from error
