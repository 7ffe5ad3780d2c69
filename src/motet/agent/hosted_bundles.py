"""The bundles that a host has: got from its server when a container needs one, or before, and kept for the next time."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any, TypeVar

from motet.agent.agent_log import say
from motet.agent.server_line import ServerLine, Streams
from motet.errors import ConnectionError, Error, ResourceExhaustedError, ServiceError
from motet.model.bundle import Manifest
from motet.store.bundles import BundleDirectory
from motet.wire import codec
from motet.wire import host_messages as m
from motet.wire.framing import FrameReader
from motet.wire.hello import Agreed, Hello, Refused
from motet.wire.message import Message

MOST_BYTES = 8 * 2**30
"""Of bundles that no app needs now, all together: beyond that they go, and before that those that were not used for so long:"""
KEEP_SECONDS = 7 * 86400.0

ANSWER_TIMEOUT = 60.0
"""Seconds without a byte of an answer, after which the connection is taken for broken."""

_LOCKED = ".lock"

A = TypeVar("A", m.BundleTold, m.PiecesTold)


class BundleRoom:
    """A directory of bundles under `home`, which this process alone has until it ends, however it does: the first that no other
    agent has. What others have left there is used again."""

    def __init__(self, home: Path) -> None:
        number = 0
        while True:
            self.path = home / "hosts" / str(number)
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(self.path / _LOCKED, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                os.close(self._lock)
                number += 1

    def close(self) -> None:
        """Others may have it. Idempotent."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


class HostedBundles:
    """Below `directory`, which nobody else writes to. `in_use`: those of containers that run; `cannot` is told what there is no
    room for, and why. `left_free`: bytes that are left free on the disk, whatever is asked for; `now`: the time of day."""

    def __init__(
        self,
        line: ServerLine,
        token: str,
        agent: str,
        directory: Path,
        in_use: Callable[[], Iterable[str]],
        cannot: Callable[[str, str], None],
        *,
        left_free: int = 64 * 2**20,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._line = line
        self._hello = Hello("host", token)
        self._agent = agent
        self._directory = directory
        self._store = BundleDirectory(directory, now)
        self._left_free = left_free
        self._now = now
        self._in_use = in_use
        self._cannot = cannot
        self._whole: dict[str, Path] = {}
        """Those that have been looked at since this process began."""
        self._coming: dict[str, asyncio.Task[Path]] = {}
        self._one_at_a_time = asyncio.Lock()
        self._needed: tuple[str, ...] = ()
        self._background: asyncio.Task[None] | None = None

    @property
    def trees(self) -> str:
        """Where bundles lie, each under its digest."""
        return str(self._directory / "trees")

    def here(self, digest: str) -> bool:
        """Whether a container can be started of it at once."""
        return digest in self._whole

    async def have(self, digest: str) -> Path:
        """The directory of a bundle, once it is here. Raises `ConnectionError` if the server cannot be reached, and another
        `Error` if it cannot be had."""
        task = self._coming.get(digest)
        if task is None:
            task = self._coming[digest] = asyncio.get_running_loop().create_task(self._have(digest))
            task.add_done_callback(lambda done: self._came(digest, done))
        return await asyncio.shield(task)

    def _came(self, digest: str, task: asyncio.Task[Path]) -> None:
        if self._coming.get(digest) is task:
            del self._coming[digest]
        if task.cancelled():
            return
        if isinstance(error := task.exception(), ResourceExhaustedError):
            self._cannot(digest, str(error))
        elif error is None:
            self._whole[digest] = task.result()

    def will_need(self, digests: Collection[str]) -> None:
        """Containers may be started of these: get what is not here while nobody waits for it."""
        self._needed = tuple(digests)
        if self._background is None or self._background.done():
            self._background = asyncio.get_running_loop().create_task(self._get_all())

    async def _get_all(self) -> None:
        got: set[str] = set()
        while lacking := [digest for digest in self._needed if digest not in got]:
            got.add(lacking[0])
            try:
                await self.have(lacking[0])
            except Error as error:  # whoever needs it is told
                say(f"bundle {lacking[0]} could not be got beforehand: {error}")
        try:
            freed = await asyncio.to_thread(self._tidy, {*self._needed, *self._in_use()})
        except Error as error:
            say(f"old bundles stay: {error}")
        else:
            if freed:
                say(f"{freed / 2**20:.0f} MiB of bundles that no app needs are gone")

    def _tidy(self, needed: Collection[str]) -> int:
        """Let go of what was not used for long, and of all that nobody needs if that is much; how many bytes."""
        long_ago = self._now() - KEEP_SECONDS
        manifests = self._directory / "manifests"
        found = list(manifests.iterdir()) if manifests.is_dir() else []
        young = {each.name for each in found if each.stat().st_mtime > long_ago}
        old = [each.name for each in found if each.name not in young and each.name not in needed]
        freed = self._pruned({*needed, *young}) if old else 0
        if self._store.prune(needed, dry_run=True).size > MOST_BYTES:
            freed += self._pruned(needed)
        return freed

    def _pruned(self, needed: Collection[str]) -> int:
        size = self._store.prune(needed).size
        self._whole = {digest: path for digest, path in self._whole.items() if path.exists()}
        return size

    async def close(self) -> None:
        """End what is on its way."""
        tasks = [*self._coming.values(), *([] if self._background is None else [self._background])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- from the server ------------------------------------------------------------------------------------------------

    async def _have(self, digest: str) -> Path:
        path = await self._found_or_got(digest)
        with contextlib.suppress(OSError):  # by this it is known when it was used last
            os.utime(self._directory / "manifests" / digest)
        return path

    async def _found_or_got(self, digest: str) -> Path:
        if (self._directory / "trees" / digest).exists():
            try:
                return await asyncio.to_thread(self._store.place, digest)
            except Error:
                pass  # it is not as it should be: what is lacking is got again
        async with self._one_at_a_time:
            streams = await self._line.dial()
            try:
                return await self._get(digest, _Asking(streams, [self._hello, m.HostFetches(self._agent)]))
            finally:
                streams[1].close()

    async def _get(self, digest: str, asking: _Asking) -> Path:
        told = await asking.answer(m.WantBundle(digest), m.BundleTold)
        manifest = await asyncio.to_thread(Manifest, told.files)
        if manifest.digest != digest:
            raise ServiceError(f"the server takes bundle {manifest.digest} for {digest}")
        lacking = await asyncio.to_thread(self._store.offer, manifest)
        sizes = manifest.pieces
        await self._check_room(digest, sum(sizes[piece] for piece in lacking))
        while lacking:
            wanted = m.WantPieces(digest, tuple(lacking[: m.MOST_PIECES]))
            pieces = (await asking.answer(wanted, m.PiecesTold)).pieces
            contents = {piece.digest: piece.data for piece in pieces}
            if not contents or not contents.keys() <= set(lacking):
                raise ServiceError(f"the server sends other pieces of bundle {digest} than it was asked for")
            try:
                await asyncio.to_thread(self._store.put, contents)
            except ServiceError as error:
                if _is_full(error):
                    raise ResourceExhaustedError(f"{_short(digest)} cannot be kept: {error}") from error
                raise
            lacking = [piece for piece in lacking if piece not in contents]
        return await asyncio.to_thread(self._store.place, digest)

    async def _check_room(self, digest: str, size: int) -> None:
        """Raise `ResourceExhaustedError` if the disk has no room, not even without what nobody needs."""
        for makes_room in (True, False):
            free = shutil.disk_usage(self._directory).free
            if size + self._left_free <= free:
                return
            if makes_room:
                await asyncio.to_thread(self._pruned, {digest, *self._needed, *self._in_use()})
        raise ResourceExhaustedError(
            f"{_short(digest)} lacks {size / 2**20:.0f} MiB here, and {free / 2**20:.0f} MiB are free in {self._directory}"
        )


class _Asking:
    """One question after the other, over a connection that begins with these messages."""

    def __init__(self, streams: Streams, first: list[Message]) -> None:
        self._reader, self._writer = streams
        self._first = first
        self._frames = FrameReader()

    async def answer(self, question: m.WantBundle | m.WantPieces, kind: type[A]) -> A:
        """Raises `ConnectionError`, and `ServiceError` with what the server says is the matter."""
        self._writer.write(b"".join(codec.frames([*self._first, question])))
        self._first = []
        while True:
            try:
                data = await asyncio.wait_for(self._reader.read(256 * 1024), ANSWER_TIMEOUT)
            except TimeoutError:
                raise ConnectionError(f"the server has sent nothing for {ANSWER_TIMEOUT:g} s") from None
            except OSError as error:
                raise ConnectionError(f"the connection has ended: {error}") from error
            if not data:
                raise ConnectionError("the connection has ended")
            for message in received(self._frames, data):
                match message:
                    case Refused():
                        raise message.error("to give this host bundles")
                    case m.BundleTold() | m.PiecesTold() if message.problem:
                        raise ServiceError(message.problem)
                    case Agreed():
                        pass
                    case _ if isinstance(message, kind):
                        return message
                    case _:
                        raise ConnectionError("the server answers something else than it was asked")


def received(frames: FrameReader, data: bytes) -> list[Any]:
    """The messages for a host that are whole with this data."""
    found: list[Any] = []
    view = memoryview(data)
    while view:
        room = frames.buffer()
        count = min(len(room), len(view))
        room[:count], view = view[:count], view[count:]
        for frame in frames.received(count):
            found += codec.decode_to_host(frame)
    return found


def _is_full(error: ServiceError) -> bool:
    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)


def _short(digest: str) -> str:
    return f"bundle {digest[:12]}"
