"""What is kept of runs, and where: MOTET_HOME and its neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from motet.client.home import home_directory
from motet.errors import InvalidError

DAY = 86400.0
DEFAULT_KEEP_DAYS = 7.0
DEFAULT_KEEP_MIB = 2048.0
DEFAULT_ARGUMENTS_BYTES = 1024 * 1024
DEFAULT_ARGUMENTS_MIB = 256.0
DEFAULT_LARGE_ARGUMENTS_MIB = 2048.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsConfig:
    """Records of runs lie under `home`. Those older than `keep_for` seconds go, and the oldest of ended runs beyond
    `keep_bytes` in all. Arguments of failed inputs are kept as well, of each up to `arguments_bytes` (0: of none), and of a
    server up to `all_arguments_bytes`, then the oldest go; of large ones, which are blobs, up to `large_arguments_bytes`.
    `home_bytes`: what all that is under `home` may take; records go
    for that, too. None: as much as there is."""

    home: Path
    keep_for: float = DEFAULT_KEEP_DAYS * DAY
    keep_bytes: int = int(DEFAULT_KEEP_MIB * 1024 * 1024)
    arguments_bytes: int = DEFAULT_ARGUMENTS_BYTES
    all_arguments_bytes: int = int(DEFAULT_ARGUMENTS_MIB * 1024 * 1024)
    large_arguments_bytes: int = int(DEFAULT_LARGE_ARGUMENTS_MIB * 1024 * 1024)
    home_bytes: int | None = None

    @property
    def kept_large_bytes(self) -> int:
        """Of large arguments of failed inputs; 0: none are kept."""
        return self.large_arguments_bytes if self.arguments_bytes else 0

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> RecordsConfig | None:
        """From MOTET_HOME, MOTET_KEEP_RECORDS_DAYS and their neighbours; None if MOTET_RECORDS is "off". Raises
        `InvalidError`, which names the variable."""
        keeps_arguments = _is_on(env, "MOTET_KEEP_ARGUMENTS")
        if not _is_on(env, "MOTET_RECORDS"):
            return None
        most = _positive(env, "MOTET_KEEP_ARGUMENTS_BYTES", DEFAULT_ARGUMENTS_BYTES) if keeps_arguments else 0
        return cls(
            home=home_directory(env),
            keep_for=_positive(env, "MOTET_KEEP_RECORDS_DAYS", DEFAULT_KEEP_DAYS) * DAY,
            keep_bytes=int(_positive(env, "MOTET_KEEP_RECORDS_MIB", DEFAULT_KEEP_MIB) * 1024 * 1024),
            arguments_bytes=int(most),
            home_bytes=_budget(env),
            all_arguments_bytes=int(_positive(env, "MOTET_KEEP_ARGUMENTS_MIB", DEFAULT_ARGUMENTS_MIB) * 1024 * 1024),
            large_arguments_bytes=int(
                _positive(env, "MOTET_KEEP_LARGE_ARGUMENTS_MIB", DEFAULT_LARGE_ARGUMENTS_MIB) * 1024 * 1024
            ),
        )


def _budget(env: Mapping[str, str]) -> int | None:
    return int(_positive(env, "MOTET_HOME_MIB", 1.0) * 1024 * 1024) if env.get("MOTET_HOME_MIB") else None


def _is_on(env: Mapping[str, str], name: str) -> bool:
    choice = env.get(name) or "on"
    if choice not in ("on", "off"):
        raise InvalidError(f"{name} must be 'on' or 'off'; it is {choice!r}")
    return choice == "on"


def _positive(env: Mapping[str, str], name: str, default: float) -> float:
    text = env.get(name)
    try:
        number = float(text) if text else default
    except ValueError:
        number = -1.0
    if not 0 < number < float("inf"):
        raise InvalidError(f"{name} must be a number greater than 0; it is {text!r}")
    return number
