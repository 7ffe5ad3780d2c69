"""Bundles on their way to hosts: each asks for what it lacks, over a connection of its own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from motet.errors import ConnectionError, Error, NotFoundError, ServiceError
from motet.model.bundle import Manifest
from motet.server.peers import Peer
from motet.store.base import BundleStore
from motet.wire import host_messages as m
from motet.wire.bundle_messages import Piece

BATCH_BYTES = 4 * 2**20
"""About what is sent at once; one piece can be larger."""

IDLE_TIMEOUT = 60.0
"""Seconds in which a host has to ask for more, or to have read what it was sent: then the connection ends."""

AT_ONCE = 8
"""Hosts that are sent something at the same time: the others wait."""


class BundleSource:
    """The bundles of apps that are `here`, by digest, where each lies, and no others. Without a `store` there are none."""

    def __init__(self, store: BundleStore | None) -> None:
        self._store = store
        self.here: Callable[[], Mapping[str, Path]] = dict
        self._places = asyncio.Semaphore(AT_ONCE)

    async def told(self, digest: str) -> m.BundleTold:
        """The answer to `WantBundle`."""
        try:
            return m.BundleTold((await self._manifest(digest)).files)
        except Error as error:
            return m.BundleTold(problem=str(error))

    async def pieces(self, digest: str, pieces: Sequence[str]) -> m.PiecesTold:
        """The answer to `WantPieces`."""
        try:
            manifest = await self._manifest(digest)
            async with self._places:
                return m.PiecesTold(await asyncio.to_thread(_read, self.here()[digest], manifest, pieces))
        except KeyError:
            return m.PiecesTold(problem=_gone(digest))
        except (Error, OSError) as error:
            return m.PiecesTold(problem=str(error))

    async def _manifest(self, digest: str) -> Manifest:
        if self._store is None or digest not in self.here():
            raise NotFoundError(_gone(digest))
        async with self._places:
            return await asyncio.to_thread(self._store.manifest, digest)


def _gone(digest: str) -> str:
    return f"no app that is here has bundle {digest}"


def _read(directory: Path, manifest: Manifest, pieces: Sequence[str]) -> tuple[Piece, ...]:
    """The first of them, as many as go in one message. Whether they are what they are called, the host sees."""
    files = {file.piece: file for file in manifest.files}
    found: list[Piece] = []
    size = 0
    for digest in pieces:
        file = files.get(digest)
        if file is None:
            raise NotFoundError(f"bundle {manifest.digest} has no piece {digest}")
        if found and size + file.size > BATCH_BYTES:
            break
        descriptor = os.open(directory / file.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as opened:
            data = opened.read(file.size + 1)
        if len(data) != file.size:
            raise ServiceError(
                f"{file.path} of bundle {manifest.digest} was changed on the server's disk: deploy again"
            )
        found.append(Piece(digest, data))
        size += file.size
    return tuple(found)


class FetchHandler:
    """One connection over which a host gets bundles: it asks, and is answered, one question after the other. `may`: whether
    this agent's host is (still) one of the server's."""

    def __init__(self, source: BundleSource, peer: Peer, may: Callable[[], bool]) -> None:
        self._source = source
        self._peer = peer
        self._may = may
        self._answering: asyncio.Task[None] | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._wait()

    def receive(self, messages: Sequence[Any]) -> None:
        """See `Handler`."""
        for message in messages:
            if not self._may():
                raise ConnectionError("this host is none of this server's any more")
            if self._answering is not None:
                raise ConnectionError("a host asks for one thing after the other")
            answer: Coroutine[Any, Any, m.BundleTold | m.PiecesTold]
            match message:
                case m.WantBundle():
                    answer = self._source.told(message.digest)
                case m.WantPieces():
                    answer = self._source.pieces(message.digest, message.pieces)
                case _:
                    raise ConnectionError("a host asks for bundles here, and says nothing else")
            self._answering = asyncio.get_running_loop().create_task(self._answer(answer))

    async def _answer(self, answer: Any) -> None:
        told = await answer
        self._answering = None
        self._peer.send((told,))
        self._wait()

    def _wait(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(IDLE_TIMEOUT, self._look, self._peer.unsent_bytes)

    def _look(self, unsent: int) -> None:
        """One that reads what it was sent, however slowly, is waited for."""
        if self._answering is not None or 0 < self._peer.unsent_bytes < unsent:
            self._wait()
        else:
            self._peer.close()

    def disconnected(self) -> None:
        """See `Handler`."""
        if self._idle is not None:
            self._idle.cancel()
        if self._answering is not None:
            self._answering.cancel()
