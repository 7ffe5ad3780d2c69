"""Bundles that no version needs any more go, and blobs that no call does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from motet.server.deployments.deployments import Deployments
from motet.store.base import BundleStore, Freed
from motet.wire.client_messages import ReplyBody
from motet.wire.operator_messages import HomePruned, PruneHome


class Pruning:
    """Prunes what a server keeps, for who asks and by itself. Without a store there is nothing. On the server's loop."""

    def __init__(
        self,
        deployments: Deployments,
        store: BundleStore | None,
        of_detached: Callable[[], frozenset[str]] = frozenset,
        sweep: Callable[[bool, bool], Coroutine[Any, Any, Freed]] | None = None,
    ) -> None:
        """`of_detached`: the bundles of detached apps, which are needed, too. `sweep` lets go of blobs, or says which would
        (the first it is told), also of arguments of inputs that failed (the second)."""
        self._deployments = deployments
        self._store = store
        self._of_detached = of_detached
        self._sweep = sweep
        self.answers: dict[type[Any], Callable[[Any], Coroutine[Any, Any, ReplyBody]]] = {PruneHome: self._prune_home}

    async def prune(self, keep_versions: int | None = None, *, dry_run: bool = False) -> Freed:
        """Let go of what is not needed; what that was. Raises `ServiceError`."""
        if self._store is None:
            return Freed(0, 0)
        # Known before the thread begins: what is deployed meanwhile has been offered within the hour, and stays.
        needed = await self._deployments.bundles(keep_versions) | self._of_detached()
        return await asyncio.to_thread(self._store.prune, needed, dry_run=dry_run)

    async def _prune_home(self, body: PruneHome) -> ReplyBody:
        freed = await self.prune(body.keep_versions, dry_run=body.dry_run)
        swept = Freed(0, 0) if self._sweep is None else await self._sweep(body.dry_run, body.arguments)
        return HomePruned(*freed, *swept)
