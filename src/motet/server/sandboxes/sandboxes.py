"""Sandboxes as the server knows them: started, reached, ended, and told of for a while after that."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from motet import errors
from motet.backends.base import Backend, ContainerEnd, HeldContainer, Stream
from motet.errors import AlreadyExistsError, ConnectionError, InvalidError, NotFoundError, ResourceExhaustedError
from motet.model.image import ImageSpec
from motet.model.isolation import Isolation
from motet.model.sandbox import PREFIX, SandboxEnd, SandboxSpec
from motet.server.clock import Clock
from motet.server.containers.known_container import new_token
from motet.server.containers.output import ContainerOutput, LineSource
from motet.server.driver import logger
from motet.server.lines import Lines
from motet.server.peers import SocketPeer
from motet.server.sandboxes.ended_sandboxes import EndedSandboxes
from motet.server.sandboxes.known_sandbox import KnownSandbox, SandboxNote, decode_note, encode_note
from motet.server.sandboxes.sandbox_environment import environment_of, sandbox_environment
from motet.server.sandboxes.sandbox_session import SandboxSession
from motet.server.sandboxes.sandbox_walls import SandboxWalls
from motet.wire import sandbox_messages as m
from motet.wire.hello import Hello

FINISH_TIMEOUT = 5.0
"""Seconds in which a sandbox that is to end must have told what it wrote last: then it is killed."""
KILL_TIMEOUT = 10.0
"""Seconds in which the end of one that was killed must be reported."""
COME_BACK_TIMEOUT = 30.0
"""Seconds that a sandbox may take to come back to a new server, and that its app may take."""
MOST_ENDED = 1000
"""Sandboxes that have ended, of which the server knows how."""
ENDED_BYTES = 64 * 1024 * 1024
"""Of what they wrote."""
ASKED_BYTES = 64 * 1024 * 1024
"""On their way into one sandbox."""
CODES: dict[SandboxEnd, int] = {"timeout": 124, "idle": 137, "terminated": 137}


_REASONS: dict[SandboxEnd, str] = {
    "idle": "nothing was asked of it for its idle timeout",
    "terminated": "its process was told to end",
}


class Places(Protocol):
    """Who says whether one more sandbox may run, and keeps count."""

    def refusal(self, principal: int, app_id: str) -> errors.Error | None: ...

    def taken(self, sandbox_id: str, principal: int, app_id: str) -> None: ...

    def left(self, sandbox_id: str) -> None: ...


class Apps(Protocol):
    """What there is to know of apps, for those whose end is a sandbox's, too."""

    def ends_with(self, app_id: str) -> bool:
        """Whether sandboxes of this app end with it: not those of deployed apps, of which another version may take over.
        Raises `NotFoundError`."""
        ...

    def when_stopping(self, app_id: str, then: Callable[[], None]) -> None:
        """Have it called when the app is to stop. Raises `NotFoundError`."""
        ...


class Sandboxes:
    """All of a server's. Whose each is, is for `SandboxRequests` to ask."""

    def __init__(
        self,
        clock: Clock,
        backend: Backend,
        apps: Apps,
        places: Places,
        walls: SandboxWalls,
        lines: Lines,
        base_env: Mapping[str, str],
        *,
        survive: bool,
    ) -> None:
        self._clock = clock
        self._backend = backend
        self._apps = apps
        self._places = places
        self._walls = walls
        self._lines = lines
        self._env = sandbox_environment(base_env)
        self._survive = survive
        self._all: dict[str, KnownSandbox] = {}
        """Those that run, and those that have ended, in this order of their end, but for the oldest."""
        self._awaited: set[str] = set()
        self._all_here = asyncio.Event()
        self._numbers = itertools.count(1)
        self._kept: EndedSandboxes | None = None

    # --- what clients want ----------------------------------------------------------------------------------------------

    def get(self, sandbox_id: str) -> KnownSandbox | None:
        """The one of this id, if anything is known of it."""
        return self._all.get(sandbox_id)

    def known(self) -> list[KnownSandbox]:
        """All of which anything is known, in the order of their beginning or, for those that have ended, of their end."""
        return list(self._all.values())

    def check(self, sandbox_id: str, app_id: str, app_name: str, principal: int, spec: SandboxSpec) -> Isolation:
        """The isolation level that a sandbox would have now. Raises why it cannot be."""
        _check(sandbox_id, spec)
        isolation = self._walls.level(spec)
        if spec.name:
            for each in self._all.values():
                taken = each.note.app_name == app_name and each.note.spec.name == spec.name
                if taken and each.note.principal == principal and not each.ended:
                    raise AlreadyExistsError(
                        f"a sandbox named {spec.name!r} runs in app {app_name!r} already ({each.sandbox_id}): end that one, or "
                        "use another name"
                    )
        if (refusal := self._places.refusal(principal, app_id)) is not None:
            raise refusal
        return isolation

    def start(self, sandbox_id: str, app_id: str, app_name: str, principal: int, spec: SandboxSpec) -> KnownSandbox:
        """Begin to start a sandbox, whose image is settled. Raises as `check` does."""
        isolation = self.check(sandbox_id, app_id, app_name, principal, spec)
        ends_with_app = bool(app_id) and self._apps.ends_with(app_id)
        began_at = self._clock.wall_now()
        note = SandboxNote(app_id, app_name, new_token(), principal, spec, began_at, ends_with_app, isolation)
        sandbox = self._know(sandbox_id, note)
        if ends_with_app:
            self._apps.when_stopping(app_id, lambda: self.end_nowait(sandbox, "terminated", "its app stopped"))
        self._places.taken(sandbox_id, principal, app_id if ends_with_app else "")
        env = environment_of(self._env, spec, isolation, sandbox_id)
        noted = encode_note(note) if self._survive else b""
        whose = app_id if ends_with_app else f"{principal} {app_name}"
        self._backend.start_nowait(self._walls.launch(sandbox_id, spec, isolation, whose, env, note.token, noted))
        return sandbox

    def end_nowait(self, sandbox: KnownSandbox, why: SandboxEnd, reason: str) -> None:
        """Begin to end a sandbox. Idempotent: the first reason counts."""
        if sandbox.ended or sandbox.finishing:
            return
        sandbox.finishing, sandbox.reason = why, reason
        if sandbox.peer is None or not sandbox.begun.is_set():
            self._kill(sandbox, why)
        else:
            sandbox.peer.send((m.FinishSandbox(why),))
            sandbox.doom.set(FINISH_TIMEOUT, self._kill, sandbox, why)

    def end_all_nowait(self, reason: str) -> None:
        """Begin to end those that run."""
        for sandbox in list(self._all.values()):
            self.end_nowait(sandbox, "terminated", reason)

    def tag(self, sandbox: KnownSandbox, tags: dict[str, str]) -> None:
        """Give it these tags, in place of those it has."""
        sandbox.tags = tags
        if sandbox.peer is not None:
            sandbox.peer.send((m.KeepTags(tags),))

    async def ask(self, sandbox: KnownSandbox, ask: m.SandboxAsk) -> m.SandboxAnswer | None:
        """What it answers; None if it is over before it has."""
        size = len(ask.data) if isinstance(ask, m.WriteInput | m.WriteFile) else 0
        if sandbox.asked_bytes + size > ASKED_BYTES:
            raise ResourceExhaustedError(
                f"{sandbox.asked_bytes // 2**20} MiB are on their way into sandbox {sandbox.sandbox_id} already, which does "
                "not take them: write less at once"
            )
        sandbox.asked_bytes += size
        try:
            while not sandbox.ended:
                await sandbox.connected.wait()
                if (peer := sandbox.peer) is None:
                    continue
                number = next(self._numbers)
                future: asyncio.Future[m.SandboxAnswer | None] = asyncio.get_running_loop().create_future()
                sandbox.asked[number] = future
                try:
                    peer.send((m.Ask(number, ask),))
                    return await future
                except asyncio.CancelledError:
                    peer.send((m.ForgetAsk(number),))
                    raise
                finally:
                    del sandbox.asked[number]
            return None
        finally:
            sandbox.asked_bytes -= size

    # --- their connections ------------------------------------------------------------------------------------------------

    def connect(self, hello: Hello, peer: SocketPeer) -> SandboxSession:
        """A sandbox has connected. Raises `ConnectionError` unless it is one of ours, and expected."""
        sandbox = self._all.get(hello.container_id)
        if sandbox is None or not secrets.compare_digest(sandbox.note.token.encode(), hello.token.encode()):
            raise ConnectionError("not a sandbox of this server")
        if sandbox.ended or sandbox.peer is not None:
            raise ConnectionError("this sandbox is connected already, or has ended")
        if hello.resumes != (hello.container_id in self._awaited):
            raise ConnectionError("this sandbox is expected to begin, and not to come back, or the other way round")
        sandbox.peer = peer
        if not hello.resumes:
            note = sandbox.note  # its environment came with its start
            spec = msgspec.structs.replace(note.spec, env={}, image=ImageSpec(), isolation=note.isolation)
            peer.send((m.BeginSandbox(spec, self._survive),))
        return SandboxSession(sandbox, peer, self)

    def began(self, sandbox: KnownSandbox, failure: m.AskFailed | None) -> None:
        """See `SandboxReports`."""
        if failure is not None:
            sandbox.failure = error_of(failure)
            self._is_over(sandbox, "exited", 127, failure.text)
            return
        sandbox.begun.set()
        sandbox.connected.set()
        sandbox.output.ready()
        # Its time begins with its command: a template that had to start first takes none of it.
        self._limit_time(sandbox, sandbox.note.spec.timeout)

    def is_back(self, sandbox: KnownSandbox, tags: dict[str, str]) -> None:
        """See `SandboxReports`."""
        sandbox.tags = tags
        sandbox.begun.set()
        sandbox.connected.set()
        self._limit_time(sandbox, sandbox.note.began_at + sandbox.note.spec.timeout - self._clock.wall_now())
        self._is_here(sandbox.sandbox_id)

    def says_last(self, sandbox: KnownSandbox, last: m.SandboxEnded) -> None:
        """See `SandboxReports`."""
        sandbox.last = last
        self._is_over(sandbox, last.why, last.returncode, sandbox.reason or _REASONS.get(last.why, ""))
        sandbox.doom.set(FINISH_TIMEOUT, self._kill, sandbox, last.why)
        if sandbox.peer is not None:
            sandbox.peer.close()  # which tells it that it was heard

    def cut_off(self, sandbox: KnownSandbox) -> None:
        """See `SandboxReports`."""
        if not sandbox.ended:
            sandbox.connected.clear()
            self._kill(sandbox, "lost")

    # --- reports of the backend ---------------------------------------------------------------------------------------------

    def container_output(self, container_id: str, stream: Stream, data: bytes) -> None:
        if (sandbox := self._all.get(container_id)) is not None and sandbox.has_process:
            sandbox.output.written(stream, data)

    def container_ended(self, ended: ContainerEnd) -> None:
        sandbox = self._all.get(ended.container_id)
        if sandbox is None or not sandbox.has_process:
            return
        sandbox.has_process = False
        sandbox.doom.cancel()
        sandbox.output.close()
        self._places.left(sandbox.sandbox_id)
        self._is_here(sandbox.sandbox_id)
        if sandbox.was_killed and ended.reason:
            # The kernel ended its command for want of memory, say: what it said itself was the code alone.
            sandbox.reason = f"its process {ended.reason}"
            if self._kept is not None:
                self._kept.add(sandbox)
        code = ended.code if ended.code >= 0 else 128 - ended.code
        reason = sandbox.reason or f"its process {ended.description}"
        why = sandbox.finishing or "lost"
        self._is_over(sandbox, why, CODES.get(why, code), reason)
        sandbox.gone.set()

    # --- sandboxes of a server before this one --------------------------------------------------------------------------------

    def await_back(self, held: Sequence[HeldContainer]) -> None:
        """These live, as the backend says: they come back by themselves."""
        for each in held:
            try:
                note = decode_note(each.note)
            except msgspec.MsgspecError:
                logger.exception(
                    "sandbox %s of a server before this one is ended: its note cannot be read", each.container_id
                )
                self._backend.kill_nowait(each.container_id)
                continue
            sandbox = self._know(each.container_id, note)
            self._places.taken(each.container_id, note.principal, note.app_id if note.ends_with_app else "")
            sandbox.output.written("stdout", each.stdout)
            sandbox.output.written("stderr", each.stderr)
            self._awaited.add(each.container_id)
            if note.ends_with_app:
                asyncio.get_running_loop().call_later(COME_BACK_TIMEOUT, self._look_for_app, sandbox)

    async def all_back(self) -> None:
        """Wait until each is back, or gone; those that take too long are ended."""
        if self._awaited:
            try:
                async with asyncio.timeout(COME_BACK_TIMEOUT):
                    await self._all_here.wait()
            except TimeoutError:
                for sandbox_id in list(self._awaited):
                    self._kill(self._all[sandbox_id], "lost")
                self._awaited.clear()

    def keep(self, kept: EndedSandboxes) -> None:
        """How those ended that a server before this one had is known, and how others end is kept."""
        self._kept = kept
        for each in kept.read():
            self._all[each.sandbox_id] = each.known(self._output(each.sandbox_id, each.note))

    def _look_for_app(self, sandbox: KnownSandbox) -> None:
        try:
            app_id = sandbox.note.app_id
            self._apps.when_stopping(app_id, lambda: self.end_nowait(sandbox, "terminated", "its app stopped"))
        except NotFoundError:
            self.end_nowait(sandbox, "terminated", "its app did not come back to this server")

    def _is_here(self, sandbox_id: str) -> None:
        self._awaited.discard(sandbox_id)
        if not self._awaited:
            self._all_here.set()

    # --- its end --------------------------------------------------------------------------------------------------------------

    def _know(self, sandbox_id: str, note: SandboxNote) -> KnownSandbox:
        sandbox = self._all[sandbox_id] = KnownSandbox(sandbox_id, note, self._output(sandbox_id, note))
        return sandbox

    def _output(self, sandbox_id: str, note: SandboxNote) -> ContainerOutput:
        source = LineSource(note.app_id, sandbox_id, note.spec.name or "sandbox", sandbox_id)
        return ContainerOutput(source, self._lines, lambda: None, self._clock)

    def _limit_time(self, sandbox: KnownSandbox, left: float) -> None:
        reason = f"it ran for its timeout of {sandbox.note.spec.timeout:g} s"
        loop = asyncio.get_running_loop()
        sandbox.timer = loop.call_later(max(0.0, left), self.end_nowait, sandbox, "timeout", reason)

    def _kill(self, sandbox: KnownSandbox, why: SandboxEnd) -> None:
        """Have its process end, whatever it says, and count on that being reported."""
        self._backend.kill_nowait(sandbox.sandbox_id)
        sandbox.doom.cancel()
        sandbox.doom.set(KILL_TIMEOUT, self._give_up, sandbox)
        if why != "lost":
            self._is_over(sandbox, why, CODES.get(why, 137), sandbox.reason)

    def _give_up(self, sandbox: KnownSandbox) -> None:
        reason = f"was killed, and its end was not reported within {KILL_TIMEOUT:g} s: it is given up"
        logger.warning("sandbox %s %s", sandbox.sandbox_id, reason)
        self.container_ended(ContainerEnd(container_id=sandbox.sandbox_id, code=-signal.SIGKILL, reason=reason))

    def _is_over(self, sandbox: KnownSandbox, why: SandboxEnd, returncode: int, reason: str) -> None:
        if sandbox.ended:
            return
        sandbox.is_over(why, returncode, reason, self._clock.wall_now())
        # Behind those that ended before it.
        self._all[sandbox.sandbox_id] = self._all.pop(sandbox.sandbox_id)
        self._tidy()
        if self._kept is not None:
            self._kept.add(sandbox)

    def _tidy(self) -> None:
        ended = [each for each in self._all.values() if each.ended]
        kept = sum(each.kept_bytes for each in ended)
        for each in ended:
            if kept > ENDED_BYTES:
                kept -= each.kept_bytes
                each.forget_output()
        for each in ended[: max(0, len(ended) - MOST_ENDED)]:
            if not each.has_process:
                del self._all[each.sandbox_id]


def error_of(failure: m.AskFailed) -> errors.Error:
    """What a sandbox says that it could not do, as an error of ours: it is trusted with a name and a text, and no more."""
    kind = getattr(errors, failure.kind, None) if failure.kind in errors.NAMES else None
    if not (isinstance(kind, type) and issubclass(kind, errors.Error)) or kind is errors.InternalError:
        kind = errors.ServiceError
    return kind(failure.text)


def _check(sandbox_id: str, spec: SandboxSpec) -> None:
    if not sandbox_id.startswith(PREFIX) or not sandbox_id[len(PREFIX) :].isalnum():
        raise InvalidError(f"{sandbox_id!r} cannot be the id of a sandbox; they begin with {PREFIX}")
