"""`motet.Secret`: environment variables for functions, whose values are never shown."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from motet.context.container import is_local
from motet.errors import InvalidError, UnimplementedError
from motet.sdk.options.checks import is_sendable, plain, type_name


class Secret:
    """Environment variables, given to functions with `secrets=[...]`. Made with one of the `from_` methods."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = dict(env)

    @property
    def env(self) -> dict[str, str]:
        """The variables and their values."""
        return dict(self._env)

    @staticmethod
    def from_dict(env_dict: Mapping[str, str | None] | None = None) -> Secret:
        """A secret of these variables; those with the value None are left out. Raises `InvalidError`."""
        return Secret(checked_env("the env_dict argument to Secret.from_dict", {} if env_dict is None else env_dict))

    @staticmethod
    def from_local_environ(env_keys: Iterable[str]) -> Secret:
        """The named variables of this process. Raises `InvalidError` naming one that is not set.

        In a container, which gets its variables from the client, those that are not set are left out.
        """
        keys = [env_keys] if isinstance(env_keys, str) else list(env_keys)
        missing = [key for key in keys if key not in os.environ]
        if missing and is_local():
            raise InvalidError(
                f"Could not find local environment variable '{missing[0]}' for Secret.from_local_environ. "
                "Set it before this program starts, or take it off the list."
            )
        found = {key: os.environ[key] for key in keys if key not in missing}
        return Secret(checked_env("Secret.from_local_environ", found))

    @staticmethod
    def from_dotenv(path: str | os.PathLike[str] | None = None, *, filename: str = ".env") -> Secret:
        """The variables of the nearest file `filename`, upward from `path` (a directory or a file in it; default: the
        current directory). Raises `InvalidError` if there is none, or if it cannot be read as one.

        In a container, which gets its variables from the client, a missing file is no error.
        """
        from motet.sdk.options.dotenv import find_dotenv, parse_dotenv  # late: its expressions take long to compile

        start = Path.cwd() if path is None else Path(path)
        file = find_dotenv(start, filename)
        if file is None and is_local():
            raise InvalidError(f"there is no {filename} in {start} or a directory above it")
        return Secret({} if file is None else parse_dotenv(file))

    @staticmethod
    def from_name(name: str, *, environment_name: str | None = None, required_keys: Iterable[str] = ()) -> Secret:
        """Named secrets are kept by a stand-alone server, which this version does not have."""
        raise UnimplementedError(
            f"Secret.from_name({name!r}) needs the stand-alone server, which this version of Motet does not have. "
            "Use Secret.from_local_environ([...]) or Secret.from_dotenv() instead."
        )

    def __repr__(self) -> str:
        return f"Secret({', '.join(sorted(self._env)) or 'empty'})"


def checked_env(what: str, env: Any) -> dict[str, str]:
    """`env` without its None values. Raises `InvalidError` unless it maps str to str or None; shows no values."""
    if not isinstance(env, Mapping):
        raise InvalidError(f"{what} has to be a dict[str, str | None], not {type_name(env)}")
    for key, value in env.items():
        if not isinstance(key, str) or not key or "=" in key or "\0" in key or not is_sendable(key):
            raise InvalidError(f"{what} has the key {key!r}, which cannot name an environment variable")
        if value is not None and not isinstance(value, str):
            raise InvalidError(f"{what} has to be a dict[str, str | None]; the value of {key!r} is {type_name(value)}")
        if value is not None and ("\0" in value or not is_sendable(value)):
            raise InvalidError(
                f"{what} has a value for {key!r} that no environment can hold: it has a NUL, or is not UTF-8"
            )
    return {plain(key): plain(value) for key, value in env.items() if value is not None}


def merged_env(secrets: Any) -> dict[str, str]:
    """The variables of `secrets`, later ones winning. Raises `InvalidError`."""
    if not isinstance(secrets, Iterable) or not all(isinstance(secret, Secret) for secret in secrets):
        raise InvalidError("`secrets=` has to be a list of `motet.Secret` objects")
    merged: dict[str, str] = {}
    for secret in secrets:
        merged.update(secret.env)
    return merged
