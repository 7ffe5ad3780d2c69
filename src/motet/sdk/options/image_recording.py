"""How an image is recorded: each method gives a new one with one more step, and refuses options it does not have."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Collection, Mapping
from typing import Any, ParamSpec, Self, TypeVar

from msgspec.structs import replace

from motet.errors import InvalidError, UnimplementedError
from motet.model.image import ImageSpec, Step
from motet.model.local_files import LocalFiles
from motet.sdk.options.checks import type_name
from motet.sdk.options.secret import Secret, checked_env, merged_env

P = ParamSpec("P")
R = TypeVar("R")

StrPath = str | os.PathLike[str]
Environment = Mapping[str, str | None] | None
Secrets = Collection[Secret] | None


class RecordedImage:
    """A list of build steps, which never changes."""

    def __init__(self, spec: ImageSpec = ImageSpec()) -> None:  # noqa: B008 - frozen
        self.spec = spec

    def recorded(self, step: Step, *, env: Mapping[str, str] | None = None, files: tuple[LocalFiles, ...] = ()) -> Self:
        """A new image with this step at the end. `env`, `files`: what containers have because of it."""
        spec = self.spec
        return type(self)(
            replace(spec, env={**spec.env, **(env or {})}, files=(*spec.files, *files), steps=(*spec.steps, step))
        )

    def __repr__(self) -> str:
        return f"<motet.Image: {'; '.join(map(str, self.spec.steps)) or 'empty'}>"


def named_options(method: Callable[P, R]) -> Callable[P, R]:
    """A decorator: an option that the method does not have is refused by name, with the one that was meant."""
    code = method.__code__
    known = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]

    @functools.wraps(method)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        for name in kwargs:
            if name not in known:
                from motet.model.nearest import did_you_mean

                options = known[1:] if known[:1] in (("self",), ("cls",)) else known
                raise InvalidError(
                    f"Image.{method.__name__} has no option {name!r}"
                    + (did_you_mean(name, options) or f"; it has: {', '.join(options)}")
                )
        return method(*args, **kwargs)

    return checked


def build_options(
    method: str,
    env: Environment = None,
    secrets: Secrets = None,
    gpu: str | list[str] | None = None,
    force_build: bool = False,
) -> dict[str, Any]:
    """The fields that steps have in common, checked. Raises `InvalidError`."""
    if gpu is not None and not isinstance(gpu, str | list):
        raise InvalidError(f"Image.{method}: `gpu` must be a str, not {type_name(gpu)}")
    return {
        "env": {} if env is None else checked_env(f"`env` of Image.{method}", env),
        "secrets": {} if secrets is None else merged_env(secrets),
        "gpu": ",".join(gpu) if isinstance(gpu, list) else gpu or "",
        "force": bool(force_build),
    }


def flat(method: str, packages: Any) -> tuple[str, ...]:
    """Strings, or lists of them, in one row. Raises `InvalidError` for anything else."""
    if isinstance(packages, str):
        return (packages,)
    if not isinstance(packages, list | tuple):
        raise InvalidError(f"Image.{method} takes str or lists of str, not {packages!r}")
    return tuple(name for each in packages for name in flat(method, each))


def text(method: str, name: str, value: object) -> str:
    """A str, "" for None. Raises `InvalidError` for anything else."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidError(f"Image.{method}: `{name}` must be a str, not {type_name(value)}")
    return value


def version(value: object, name: str = "python_version") -> str:
    """A version of Python such as "3.12"; "" for None. Raises `InvalidError`."""
    if value is not None and not isinstance(value, str):
        raise InvalidError(f'`{name}` must be a str such as "3.12", not {type_name(value)}')
    return value or ""


def without_volumes(method: str, *volumes: Any) -> None:
    """Raises `UnimplementedError` if there are any: builds have none."""
    if any(volumes):
        raise UnimplementedError(
            f"Image.{method} cannot have volumes: builds run on this machine and see its files; use a path instead"
        )
