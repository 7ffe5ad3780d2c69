"""What a store keeps: records of spawned calls, tokens, bundles, deployments; in words of the platform."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from motet.model.bundle import Manifest
from motet.model.deployment import DeploymentView
from motet.model.function import AppSpec
from motet.model.hidden import hides_secrets
from motet.model.outcome import InputEnd


class KeptToken(msgspec.Struct, frozen=True):
    """What is kept of a token: whom it speaks for, a hash of it, its rights by name, and what it may have. Moments are of the
    wall clock.
    `principal` tells whom it speaks for from those of the same name before it and after it."""

    name: str
    hash: str
    rights: tuple[str, ...]
    made_at: float
    expires_at: float | None = None
    last_used_at: float | None = None
    principal: str = ""
    limits: tuple[str, ...] = ()


class TokenStore(Protocol):
    """Keeps the tokens of a server."""

    def load(self) -> list[KeptToken] | None:
        """All of them; None if none were ever kept. Raises `ServiceError`."""

    def save(self, tokens: Sequence[KeptToken]) -> None:
        """Keep these, and no others. Raises `ServiceError`, and nothing has changed."""


class Freed(NamedTuple):
    """What a store has let go of: how many bundles, and bytes on disk."""

    bundles: int
    size: int


class HomeUsage(NamedTuple):
    """Bytes on disk under a home, by what they are of, and what is left there."""

    parts: dict[str, int]
    free: int

    @property
    def total(self) -> int:
        """Of all parts."""
        return sum(self.parts.values())


class BackupInfo(msgspec.Struct, frozen=True):
    """What a backup of a server says of itself: its format, that of the home, the Motet that made it, and when (wall clock)."""

    format: int
    home_format: int
    motet: str
    made_at: float


class BundleStore(Protocol):
    """Keeps bundles: their manifests, and pieces that several of them share. Thread-safe; each method may wait for a disk, and
    returns when what it did would survive a crash of the machine. All raise `ServiceError` where the disk is the matter."""

    def offer(self, manifest: Manifest) -> list[str]:
        """Keep which files a bundle has; the pieces that it lacks. It is not pruned within the hour. Raises `InvalidError` if
        it is wrong about a piece that is here."""
        ...

    def put(self, pieces: Mapping[str, bytes]) -> None:
        """Keep pieces, by digest. Raises `InvalidError` for one that is another than it is said to be; none is kept then."""

    def place(self, digest: str) -> Path:
        """The directory with a bundle's files, which nobody is to write to. Idempotent. Raises `NotFoundError` if there is no
        such bundle, or pieces of it are lacking."""
        ...

    def manifest(self, digest: str) -> Manifest:
        """Which files a bundle has that was placed. Raises `NotFoundError`, `ServiceError`."""
        ...

    def prune(self, needed: Collection[str], *, dry_run: bool = False) -> Freed:
        """Let go of all bundles but these and those of the last hour, and of the pieces that none of them has; with `dry_run`,
        only say what that would be."""
        ...


class CallStore(Protocol):
    """Keeps how the inputs of spawned calls ended. Every method returns when the change would survive what the store
    promises to survive. Not thread-safe: the server's loop owns it."""

    def add_inputs(self, app_id: str, function_id: str, call_id: str, count: int) -> None:
        """A call got `count` more inputs (and exists, from the first time on)."""

    def save_outcomes(self, call_id: str, ended: list[InputEnd]) -> list[str]:
        """Inputs ended. A second outcome of an input is ignored, and so are calls that are not kept.

        Returns the calls of which nothing is kept any more, since these took the room."""

    def outcomes(self, call_id: str, index: int, limit: int) -> list[InputEnd]:
        """The outcome of input `index`, and those of the following inputs up to the first without one; at most `limit`.

        Empty if the input has not ended. Raises `NotFoundError` for a call that is not kept or has no such input.
        """

    def num_inputs(self, call_id: str) -> tuple[int, str]:
        """How many inputs a call has, and its function. Raises `NotFoundError`."""

    def forget_app(self, app_id: str) -> list[str]:
        """Drop every call of an app that has stopped; their ids."""

    def forget_calls(self, call_ids: Sequence[str]) -> list[str]:
        """Drop these calls; those that were kept."""


@hides_secrets
class KeptDeployment(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a deployed app. `spec`: as it was sent; `function_ids`: those of its functions by label, which they keep
    when the server is started again. `owner` and `rights`: for whom code in its containers acts. `rules`: when it is to be
    rolled back by itself. `on_failure`: where failures of its spawned calls are told, and
    `on_failure_secret`: what that is signed with."""

    view: DeploymentView
    spec: AppSpec
    function_ids: dict[str, str]
    owner: str = ""
    rights: tuple[str, ...] = ()
    rules: str = ""
    on_failure: str = ""
    on_failure_secret: str = ""


class KeptSchedule(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of the schedule of a function of a deployed app, whichever version it is of. `handled_at`: moments until
    then are done with; `ran_at`: the moment that the last run was for, and `call_id` its call. Both are of the wall clock,
    0: none. `note`: what became of the last moment, if it did not just run."""

    app: str
    function: str
    handled_at: float = 0.0
    paused: bool = False
    ran_at: float = 0.0
    call_id: str = ""
    note: str = ""


class KeptNotice(msgspec.Struct, frozen=True, kw_only=True):
    """A failure that is to be told to the address of a deployed version, and was not yet. `id`: its input. `body`: what is
    said. `failed_at` is of the wall clock."""

    id: str
    app: str
    version: int
    body: bytes
    failed_at: float


class DeploymentStore(Protocol):
    """Keeps what has been deployed. What a method has done is kept when it returns; each may be called on any thread, and
    raises `ServiceError` if it cannot: then nothing has changed."""

    def add(self, kept: KeptDeployment) -> None:
        """Keep one more."""
        ...

    def change(self, views: Sequence[DeploymentView]) -> None:
        """Have these versions be as they are now, all of them or none."""
        ...

    def history(self, name: str) -> list[DeploymentView]:
        """All versions of a name, newest first."""
        ...

    def find(self, name: str, version: int) -> KeptDeployment | None:
        """One of them."""
        ...

    def serving(self) -> list[KeptDeployment]:
        """Those that serve, are about to, or end what they accepted, in the order they were made."""
        ...

    def bundles(self, keep_versions: int | None) -> set[str]:
        """Those of versions that serve, or end what they accepted, and of the newest so many of each name (None: of all)."""
        ...

    def last(self, name: str) -> int:
        """The highest number of a version; 0: there is none."""
        ...

    def schedules(self) -> list[KeptSchedule]:
        """What is kept of all schedules, those of names that are not deployed now, too."""
        ...

    def keep_schedule(self, kept: KeptSchedule) -> None:
        """Keep this of a schedule, instead of what was kept of it before."""
        ...

    def notices(self) -> list[KeptNotice]:
        """Failures that are to be told, in the order they were kept."""
        ...

    def keep_notices(self, kept: Sequence[KeptNotice]) -> None:
        """Keep these, all or none; of one that is kept already, nothing changes."""
        ...

    def forget_notice(self, notice_id: str) -> None:
        """It was told, or will not be. Idempotent."""
        ...

    def close(self) -> None:
        """No more is asked."""
        ...
