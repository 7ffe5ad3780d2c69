"""The one process of Motet's in a sandbox: it runs the sandbox's command, answers what is asked, and ends with the command."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import cast

from motet.client import family
from motet.client.sockets import connect
from motet.errors import ConnectionError, Error
from motet.model.sandbox import MAIN, TERMINATED, TIMED_OUT, ProcessSpec, SandboxEnd
from motet.runtime.sandbox.asks import Asks
from motet.runtime.sandbox.process import RunningProcess
from motet.wire import codec
from motet.wire import sandbox_messages as m
from motet.wire.framing import FrameReader
from motet.wire.hello import Hello, Refused
from motet.wire.message import Message
from motet.wire.report import sendable
from motet.wire.template import Fork

LOST_SERVER = 69
"""Exit status of a sandbox whose server is gone (`EX_UNAVAILABLE`)."""
RETRY_INTERVAL = 0.1
"""Seconds between two tries to reach the next server."""
LAST_WORDS = 10.0
"""Seconds that a sandbox which has ended waits for the server to take what it says last."""
MOST_ASKED = 1024
"""Asks that wait for their answers at once."""

_CODES: dict[SandboxEnd, int] = {"timeout": TIMED_OUT, "idle": TERMINATED, "terminated": TERMINATED}


def main(fork: Fork) -> int:
    """Run a sandbox until its command ends, or its server has it end or is gone. Returns the exit status of the process."""
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        return runner.run(_Supervisor(fork).run())


class _ServerLink(asyncio.BufferedProtocol):
    """The connection to a server."""

    def __init__(self, receive: Callable[[m.ToSandbox], None]) -> None:
        self._receive = receive
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self.gone = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._reader.buffer()

    def buffer_updated(self, nbytes: int) -> None:
        for frame in self._reader.received(nbytes):
            for message in codec.decode_to_sandbox(frame):
                self._receive(message)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.gone.set()

    def send(self, message: Message) -> None:
        """Say it; nothing, if the connection is gone."""
        if self._transport is not None:
            self._transport.writelines(codec.frames((message,)))

    def close(self) -> None:
        """End it when what was said has left."""
        if self._transport is not None:
            self._transport.close()


class _Supervisor:
    def __init__(self, fork: Fork) -> None:
        self._fork = fork
        self._link: _ServerLink | None = None
        self._begun: m.BeginSandbox | None = None
        self._tags: dict[str, str] = {}
        self._asks: Asks | None = None
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._over = asyncio.Event()
        self._end: m.SandboxEnded | None = None
        self._refused = False
        self._idle: asyncio.TimerHandle | None = None

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, self._reap)
        # Who manages the machine wants it to end.
        loop.add_signal_handler(signal.SIGTERM, self._finish, "terminated")
        for descriptor in (1, 2):
            os.set_blocking(descriptor, False)
        await self._connect(resumes=False)
        while not self._over.is_set():
            await self._until_over_or_alone()
            if not self._over.is_set() and not await self._come_back():
                self._kill_all()
                return LOST_SERVER
        return await self._say_last()

    # --- the server -----------------------------------------------------------------------------------------------------

    async def _connect(self, *, resumes: bool) -> None:
        fork = self._fork
        sock = connect(fork.address, Hello("sandbox", fork.token, fork.container_id, resumes=resumes))
        sock.setblocking(False)
        link = _ServerLink(self._received)
        loop = asyncio.get_running_loop()
        if sock.family == socket.AF_UNIX:
            await loop.create_unix_connection(lambda: link, sock=sock)
        else:
            await loop.create_connection(lambda: link, sock=sock)
        self._link = link
        if resumes:
            link.send(m.SandboxIsBack(self._tags))

    async def _until_over_or_alone(self) -> None:
        assert self._link is not None
        waits = [asyncio.ensure_future(each.wait()) for each in (self._over, self._link.gone)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()

    async def _come_back(self) -> bool:
        """Go on with the next server. False: there will be none."""
        for number in list(self._tasks):
            self._forget(number)
        if self._refused or self._begun is None or not self._begun.survives:
            return False
        while True:
            with contextlib.suppress(ConnectionError, OSError):
                await self._connect(resumes=True)
                return True
            await asyncio.sleep(RETRY_INTERVAL)

    def _received(self, message: m.ToSandbox) -> None:
        match message:
            case m.BeginSandbox():
                self._begin(message)
            case m.Ask():
                self._ask(message)
            case m.ForgetAsk():
                self._forget(message.number)
            case m.KeepTags():
                self._tags = message.tags
            case m.FinishSandbox():
                self._finish(message.why)
            case Refused():
                self._refused = True
            case _:
                pass

    def _send(self, message: Message) -> None:
        if self._link is not None:
            self._link.send(message)

    # --- its life -------------------------------------------------------------------------------------------------------

    def _begin(self, begun: m.BeginSandbox) -> None:
        if self._begun is not None:
            return
        self._begun, self._tags = begun, begun.spec.tags
        spec = begun.spec
        directory = _complete_environment(self._fork.directory, spec.isolation == "oci")
        self._asks = Asks(dict(os.environ), os.path.join(directory, spec.workdir), self._look_idle)
        try:
            if spec.command:
                process = ProcessSpec(spec.command, spec.workdir, pty=spec.pty)
                tee = (lambda data: _write(1, data), lambda data: _write(2, data))
                main = RunningProcess(process, os.environ, directory, self._main_ended, tee)
                self._asks.processes[MAIN] = main
        except Error as error:
            self._send(m.SandboxBegan(_failure(error)))
            self._over.set()
            return
        self._send(m.SandboxBegan())
        self._look_idle()

    def _main_ended(self, process: RunningProcess) -> None:
        self._finish("exited")

    def _finish(self, why: SandboxEnd) -> None:
        """End everything. The first reason counts."""
        if self._end is not None or self._asks is None:
            self._over.set()
            return
        main = self._asks.processes.get(MAIN)
        if why == "exited" and main is not None and main.returncode is not None:
            code = main.returncode
        else:
            code = _CODES.get(why, TERMINATED)
        outputs = {}
        for stream in ("stdout", "stderr"):
            output = None if main is None else main.outputs.get(stream)
            if output is not None:
                output.process_ended()
            outputs[stream] = (0, b"") if output is None else (output.kept.start, output.kept.kept)
        self._end = m.SandboxEnded(why, code, *outputs["stdout"], *outputs["stderr"])
        self._kill_all()
        self._over.set()

    def _kill_all(self) -> None:
        for process in () if self._asks is None else self._asks.running:
            process.kill()

    async def _say_last(self) -> int:
        """What was written last is nowhere else: the server ends the connection when it has heard it."""
        assert self._link is not None
        if self._end is not None:
            self._send(self._end)
        else:
            self._link.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS):
                await self._link.gone.wait()
        return 0

    def _look_idle(self) -> None:
        """Begin to count anew, unless a command runs besides the sandbox's own."""
        if self._begun is None or self._asks is None or self._begun.spec.idle_timeout is None:
            return
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        own = self._asks.processes.get(MAIN)
        if not any(each is not own for each in self._asks.running):
            seconds = self._begun.spec.idle_timeout
            self._idle = asyncio.get_running_loop().call_later(seconds, self._finish, "idle")

    def _reap(self) -> None:
        """Take the status of orphans that this process has adopted; of its own ones it is asked elsewhere."""
        own = {each.pid for each in self._asks.running} if self._asks is not None else set()
        for pid in family.ended_children():
            if pid not in own:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)

    # --- asks -----------------------------------------------------------------------------------------------------------

    def _ask(self, message: m.Ask) -> None:
        if len(self._tasks) >= MOST_ASKED:
            text = f"{MOST_ASKED} questions to this sandbox wait for their answers, which are the most that may at once"
            self._send(m.Answered(message.number, m.AskFailed("ResourceExhaustedError", text)))
            return
        self._forget(message.number)
        self._tasks[message.number] = asyncio.get_running_loop().create_task(self._answer(message))

    async def _answer(self, message: m.Ask) -> None:
        try:
            if self._asks is None:
                answer: m.SandboxAnswer = m.AskFailed("ConflictError", "the sandbox has not begun")
            else:
                answer = await self._asks.do[type(message.ask)](message.ask)
        except Error as error:
            answer = _failure(error)
        except Exception as error:
            answer = m.AskFailed("ServiceError", sendable(f"the sandbox failed to do this: {error!r}"))
        if self._tasks.pop(message.number, None) is not None:
            self._send(m.Answered(message.number, answer))

    def _forget(self, number: int) -> None:
        if (task := self._tasks.pop(number, None)) is not None:
            task.cancel()


def _complete_environment(directory: str, is_in_image: bool) -> str:
    """What depends on where the sandbox is: its own directory is its home, and unless its image has an environment, Motet's own
    Python comes first. An OCI image has all that itself. The directory that its commands begin in is returned."""
    if is_in_image:
        home = os.environ.setdefault("HOME", os.path.expanduser("~"))
        return home if os.path.isdir(home) else directory
    os.environ.setdefault("HOME", directory)
    temporary = os.path.join(directory, "tmp")
    with contextlib.suppress(OSError):
        os.mkdir(temporary)
    os.environ.setdefault("TMPDIR", temporary)
    here = os.path.dirname(sys.executable)
    path = os.environ.get("PATH", os.defpath)
    if "VIRTUAL_ENV" not in os.environ and here not in path.split(os.pathsep):
        os.environ["PATH"] = here + os.pathsep + path
    return directory


def _failure(error: Error) -> m.AskFailed:
    return m.AskFailed(type(error).__name__, sendable(str(error)))


def _write(descriptor: int, data: bytes) -> None:
    """For the records: what does not go out at once, because nobody reads, is left out."""
    with contextlib.suppress(OSError):
        os.write(descriptor, data)
