"""What a server holds of one sandbox, while it runs and for a while after its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from motet.errors import Error
from motet.model.hidden import hides_secrets
from motet.model.isolation import Isolation
from motet.model.sandbox import SandboxEnd, SandboxSpec, SandboxView
from motet.server.containers.known_container import Doom
from motet.server.containers.output import ContainerOutput
from motet.server.peers import SocketPeer
from motet.wire import sandbox_messages as m


@hides_secrets
class SandboxNote(msgspec.Struct, array_like=True, frozen=True):
    """What a server notes of a sandbox that it starts, for the server that may come after it. New fields go last, with
    defaults. `ends_with_app`: the app's end is its own. `principal`: whose it is. `began_at`: wall clock."""

    app_id: str
    app_name: str
    token: str
    principal: int
    spec: SandboxSpec
    began_at: float
    ends_with_app: bool = False
    isolation: Isolation = "process"


KILLED = 128 + 9
"""The code of a command that SIGKILL ended, a name that Windows lacks: commands there load this module."""

encode_note = msgspec.msgpack.Encoder().encode
decode_note = msgspec.msgpack.Decoder(SandboxNote).decode


class KnownSandbox:
    """One sandbox."""

    def __init__(self, sandbox_id: str, note: SandboxNote, output: ContainerOutput) -> None:
        self.sandbox_id = sandbox_id
        self.note = note
        self.output = output
        self.tags = note.spec.tags
        self.peer: SocketPeer | None = None
        self.connected = asyncio.Event()
        """It has a connection, or is over."""
        self.begun = asyncio.Event()
        """Its command runs, or could not be started (`failure`), or it is over."""
        self.failure: Error | None = None
        self.over = asyncio.Event()
        self.last: m.SandboxEnded | None = None
        """What it said last."""
        self.ended: SandboxEnd = ""
        self.ended_at: float | None = None
        self.returncode: int | None = None
        self.reason = ""
        self.finishing: SandboxEnd = ""
        """Why it is being ended, if it is."""
        self.has_process = True
        """Its process has not been reported as ended."""
        self.gone = asyncio.Event()
        """It has."""
        self.doom = Doom()
        self.timer: asyncio.TimerHandle | None = None
        self.asked: dict[int, asyncio.Future[m.SandboxAnswer | None]] = {}
        self.asked_bytes = 0
        self.at_end: list[Callable[[], None]] = []
        """Called when it is over."""

    def view(self) -> SandboxView:
        """What there is to see of it."""
        note, spec = self.note, self.note.spec
        return SandboxView(
            sandbox_id=self.sandbox_id,
            app_id=note.app_id,
            app_name=note.app_name,
            name=spec.name,
            tags=self.tags,
            command=spec.command,
            isolation=note.isolation,
            began_at=note.began_at,
            timeout=spec.timeout,
            ended=self.ended,
            ended_at=self.ended_at,
            returncode=self.returncode,
            reason=self.reason,
            encrypted_ports=spec.encrypted_ports,
            unencrypted_ports=spec.unencrypted_ports,
            h2_ports=spec.h2_ports,
        )

    def is_over(self, why: SandboxEnd, returncode: int, reason: str, at: float) -> None:
        """It has ended; whoever waits for it, or for an answer of it, is told. The first time counts."""
        if self.ended:
            return
        self.ended, self.returncode, self.reason, self.ended_at = why, returncode, reason, at
        if self.timer is not None:
            self.timer.cancel()
        for event in (self.over, self.begun, self.connected):
            event.set()
        for then in self.at_end:
            then()
        for future in self.asked.values():
            if not future.done():
                future.set_result(None)

    @property
    def was_killed(self) -> bool:
        """Its command ended by SIGKILL, whoever sent that."""
        return self.ended == "exited" and self.returncode == KILLED

    def kept(self, stream: m.Stream) -> tuple[int, bytes]:
        """What is kept of what its command wrote: the place where that begins, and the bytes. Once it is over."""
        if self.last is None:
            return 0, b""
        if stream == "stdout":
            return self.last.stdout_offset, self.last.stdout
        return self.last.stderr_offset, self.last.stderr

    @property
    def kept_bytes(self) -> int:
        """How much that is."""
        return 0 if self.last is None else len(self.last.stdout) + len(self.last.stderr)

    def forget_output(self) -> None:
        """Others need the room."""
        if (last := self.last) is not None:
            ends = last.stdout_offset + len(last.stdout), last.stderr_offset + len(last.stderr)
            self.last = msgspec.structs.replace(
                last, stdout=b"", stderr=b"", stdout_offset=ends[0], stderr_offset=ends[1]
            )
