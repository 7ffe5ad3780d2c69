"""What clients ask about sandboxes: each is its principal's, and no other's but an operator's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from motet.errors import AlreadyExistsError, InvalidError, NotFoundError, SandboxTerminatedError
from motet.model.sandbox import MAIN, MAX_CHUNK_BYTES
from motet.server.sandboxes.known_sandbox import KnownSandbox
from motet.server.sandboxes.sandbox_images import SandboxImages
from motet.server.sandboxes.sandbox_walls import named
from motet.server.sandboxes.sandboxes import Sandboxes, error_of
from motet.server.sandboxes.tunnels import Tunnels
from motet.wire import report
from motet.wire import sandbox_messages as m
from motet.wire.client_messages import ReplyBody, RequestFailed


@dataclass(frozen=True, slots=True)
class SandboxAsker:
    """Who asks: `principal` is whose a sandbox is that it creates; `by` whose it may reach, None: anybody's. `check_app` raises
    unless it may use an app."""

    principal: int
    by: int | None
    check_app: Callable[[str], None] = lambda app_id: None


class SandboxRequests:
    """Answers them."""

    def __init__(self, sandboxes: Sandboxes, images: SandboxImages, tunnels: Tunnels) -> None:
        self._sandboxes = sandboxes
        self._images = images
        self._tunnels = tunnels
        self.answers: dict[type[Any], Callable[[Any, SandboxAsker], Coroutine[Any, Any, ReplyBody]]] = {
            m.CreateSandbox: self._create,
            m.FindSandbox: self._find_one,
            m.ListSandboxes: self._list,
            m.TagSandbox: self._tag,
            m.EndSandbox: self._end,
            m.OpenTunnels: self._open_tunnels,
            m.SnapshotSandbox: self._snapshot,
            m.AskSandbox: self._ask,
        }

    @property
    def of_operators(self) -> dict[type[Any], Callable[[Any], Coroutine[Any, Any, ReplyBody]]]:
        """Answers for those who look at everything."""
        return {m.ListSandboxes: lambda body: self._list(body, SandboxAsker(0, None))}

    async def _create(self, body: m.CreateSandbox, asker: SandboxAsker) -> ReplyBody:
        sandbox = self._sandboxes.get(body.sandbox_id)
        if sandbox is None:
            if body.app_id:
                asker.check_app(body.app_id)
            whose = body.sandbox_id, body.app_id, body.app_name, asker.principal
            isolation = self._sandboxes.check(*whose, body.spec)
            if body.spec.encrypted_ports or body.spec.h2_ports:
                await self._tunnels.prepare()  # before anything runs: where there is no certificate, there is no tunnel
            spec = await self._images.settled(named(body.spec), body.app_name, body.spec, isolation, body.place)
            # Who asked again meanwhile has waited for the same image.
            sandbox = self._sandboxes.get(body.sandbox_id) or self._sandboxes.start(*whose, spec)
        elif sandbox.note.principal != asker.principal:
            raise AlreadyExistsError(f"there is a sandbox {body.sandbox_id} already")
        try:
            await sandbox.begun.wait()
        except asyncio.CancelledError:
            self._sandboxes.end_nowait(sandbox, "terminated", "its creator did not wait for it")
            raise
        if sandbox.failure is not None:
            raise sandbox.failure
        if sandbox.ended == "lost":
            raise SandboxTerminatedError(f"sandbox {body.sandbox_id} could not be started: {sandbox.reason}")
        return m.SandboxViewed(sandbox.view())

    async def _find_one(self, body: m.FindSandbox, asker: SandboxAsker) -> ReplyBody:
        sandbox = self._find(body.sandbox_id, asker) if body.sandbox_id else self._named(body, asker)
        if body.wait:
            await sandbox.over.wait()
            if sandbox.was_killed:
                await sandbox.gone.wait()  # the backend says with it whether the kernel did that, and why
        return m.SandboxViewed(sandbox.view())

    async def _list(self, body: m.ListSandboxes, asker: SandboxAsker) -> ReplyBody:
        found = [
            each.view()
            for each in self._sandboxes.known()
            if (body.ended or not each.ended)
            and self._is_reached(each, asker)
            and body.app_id in ("", each.note.app_id)
            and body.tags.items() <= each.tags.items()
        ]
        return m.SandboxesListed(sorted(found, key=lambda view: view.began_at, reverse=True))

    async def _tag(self, body: m.TagSandbox, asker: SandboxAsker) -> ReplyBody:
        sandbox = self._find(body.sandbox_id, asker)
        self._sandboxes.tag(sandbox, body.tags)
        return m.SandboxViewed(sandbox.view())

    async def _end(self, body: m.EndSandbox, asker: SandboxAsker) -> ReplyBody:
        sandbox = self._find(body.sandbox_id, asker)
        self._sandboxes.end_nowait(sandbox, "terminated", "it was terminated")
        await sandbox.gone.wait()  # with all that ran in it
        return m.SandboxViewed(sandbox.view())

    async def _open_tunnels(self, body: m.OpenTunnels, asker: SandboxAsker) -> ReplyBody:
        return await self._tunnels.open(self._find(body.sandbox_id, asker))

    async def _snapshot(self, body: m.SnapshotSandbox, asker: SandboxAsker) -> ReplyBody:
        sandbox = self._find(body.sandbox_id, asker)
        if not body.snapshot_id.isalnum():
            raise InvalidError(f"{body.snapshot_id!r} cannot be the id of a snapshot")
        return m.SandboxSnapshotted(await self._images.snapshot(sandbox, body.snapshot_id, body.seconds))

    async def _ask(self, body: m.AskSandbox, asker: SandboxAsker) -> ReplyBody:
        sandbox = self._find(body.sandbox_id, asker)
        answer = await self._sandboxes.ask(sandbox, body.ask)
        if answer is None:
            return _answer_of_the_ended(sandbox, body.ask)
        return RequestFailed(report.of(error_of(answer))) if isinstance(answer, m.AskFailed) else answer

    def _find(self, sandbox_id: str, asker: SandboxAsker) -> KnownSandbox:
        sandbox = self._sandboxes.get(sandbox_id)
        if sandbox is None or not self._is_reached(sandbox, asker):
            # The same for both: who does not own it learns nothing of it.
            raise NotFoundError(f"no sandbox {sandbox_id} is known on this server")
        return sandbox

    def _named(self, body: m.FindSandbox, asker: SandboxAsker) -> KnownSandbox:
        for each in self._sandboxes.known():
            named = each.note.app_name == body.app_name and each.note.spec.name == body.name
            if named and not each.ended and self._is_reached(each, asker):
                return each
        raise NotFoundError(f"no sandbox named {body.name!r} runs in app {body.app_name!r} on this server")

    @staticmethod
    def _is_reached(sandbox: KnownSandbox, asker: SandboxAsker) -> bool:
        return asker.by is None or asker.by == sandbox.note.principal


def _answer_of_the_ended(sandbox: KnownSandbox, ask: m.SandboxAsk) -> ReplyBody:
    """What is still known of a sandbox that is over: how its command ended, and what that wrote."""
    if isinstance(ask, m.ReadOutput) and ask.process_id == MAIN:
        start, data = sandbox.kept(ask.stream)
        begin = max(ask.offset, start)
        part = data[begin - start : begin - start + MAX_CHUNK_BYTES]
        return m.OutputRead(begin, part, begin + len(part) >= start + len(data))
    if isinstance(ask, m.AwaitProcess) and ask.process_id == MAIN:
        return m.ProcessViewed(sandbox.returncode)
    if isinstance(ask, m.EndProcess) or (isinstance(ask, m.WatchFiles) and ask.over):
        return m.AskDone()
    raise SandboxTerminatedError(
        f"sandbox {sandbox.sandbox_id} has ended ({_how(sandbox)}): nothing runs there any more"
    )


def _how(sandbox: KnownSandbox) -> str:
    if sandbox.ended == "exited":
        return f"its command did, with code {sandbox.returncode}"
    return sandbox.reason or sandbox.ended
