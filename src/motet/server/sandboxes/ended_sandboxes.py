"""Sandboxes that have ended, for the servers after this one: a file with a line for each, of which the last ones are kept."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from motet.model.hidden import hides_secrets
from motet.model.image import ImageSpec
from motet.model.sandbox import SandboxEnd
from motet.server.containers.output import ContainerOutput
from motet.server.driver import logger
from motet.server.sandboxes.known_sandbox import KnownSandbox, SandboxNote
from motet.wire import sandbox_messages as m

MOST = 1000


@hides_secrets
class EndedSandbox(msgspec.Struct, frozen=True, kw_only=True):
    """How one ended. `note`: without its variables and its token. `stdout_bytes`, `stderr_bytes`: what it wrote in all, none of
    which is kept. New fields have defaults."""

    sandbox_id: str
    note: SandboxNote
    tags: dict[str, str]
    ended: SandboxEnd
    ended_at: float | None
    returncode: int | None
    reason: str
    stdout_bytes: int = 0
    stderr_bytes: int = 0

    @classmethod
    def of(cls, sandbox: KnownSandbox) -> EndedSandbox:
        """What is kept of one that is over."""
        replace = msgspec.structs.replace
        ends = {stream: start + len(data) for stream in ("stdout", "stderr") for start, data in (sandbox.kept(stream),)}
        return cls(
            sandbox_id=sandbox.sandbox_id,
            note=replace(sandbox.note, token="", spec=replace(sandbox.note.spec, env={}, image=ImageSpec())),
            tags=sandbox.tags,
            ended=sandbox.ended,
            ended_at=sandbox.ended_at,
            returncode=sandbox.returncode,
            reason=sandbox.reason,
            stdout_bytes=ends["stdout"],
            stderr_bytes=ends["stderr"],
        )

    def known(self, output: ContainerOutput) -> KnownSandbox:
        """As a server knows it."""
        sandbox = KnownSandbox(self.sandbox_id, self.note, output)
        sandbox.tags, sandbox.has_process = self.tags, False
        sandbox.last = m.SandboxEnded(self.ended, self.returncode or 0, self.stdout_bytes, b"", self.stderr_bytes, b"")
        sandbox.is_over(self.ended, self.returncode or 0, self.reason, self.ended_at or 0.0)
        sandbox.gone.set()
        return sandbox


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(EndedSandbox).decode


class EndedSandboxes:
    """`path`: the file. What cannot be written is told once, and nothing else goes wrong for it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines = 0
        self._is_told = False

    def read(self) -> list[EndedSandbox]:
        """The last ones, in the order of their end. Lines that no Motet of this kind has written are left out."""
        try:
            lines = self._path.read_bytes().splitlines()
        except OSError:
            return []
        self._lines = len(lines)
        found = []
        for line in lines[-MOST:]:
            try:
                found.append(_decode(line))
            except msgspec.MsgspecError:  # cut off, as when a disk was full
                continue
        return found

    def add(self, sandbox: KnownSandbox) -> None:
        """Keep how it ended. Small, and not synced: it outlives this process, and nearly always the machine."""
        try:
            with open(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600), "ab") as file:
                file.write(_encode(EndedSandbox.of(sandbox)) + b"\n")
            self._lines += 1
            if self._lines >= 2 * MOST:
                self._shorten()
        except OSError as error:
            if not self._is_told:
                logger.warning("how sandboxes ended is not kept for the next server: %s", error)
                self._is_told = True

    def _shorten(self) -> None:
        lines = self._path.read_bytes().splitlines(keepends=True)[-MOST:]
        aside = self._path.with_suffix(".new")
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
            file.writelines(lines)
        aside.rename(self._path)
        self._lines = len(lines)
