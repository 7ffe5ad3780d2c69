"""What a sandbox does for those who ask: commands, their streams, files."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from motet.errors import ConflictError, NotFoundError, ResourceExhaustedError
from motet.model.sandbox import MAX_CHUNK_BYTES
from motet.runtime.sandbox import files
from motet.runtime.sandbox.process import RunningProcess
from motet.runtime.sandbox.watches import FileWatch
from motet.wire import sandbox_messages as m

MOST_PROCESSES = 64
"""Commands that run at once, besides that of the sandbox itself."""
MOST_ENDED = 256
"""Commands that have ended, of which codes and output are kept; beyond that, the oldest are forgotten."""
ENDED_BYTES = 64 * 1024 * 1024
"""Of the output of those that have ended."""
MOST_WATCHES = 64

Do = Callable[[Any], Awaitable[m.SandboxAnswer]]


class Asks:
    """Of one sandbox. `changed` is called when commands begin and end, or get input: it is not idle."""

    def __init__(self, environment: Mapping[str, str], workdir: str, changed: Callable[[], None]) -> None:
        self._environment = environment
        self._workdir = workdir
        self._changed = changed
        self.processes: dict[str, RunningProcess] = {}
        self._watches: dict[str, FileWatch] = {}
        self.do: dict[type[Any], Do] = {
            m.StartProcess: self._start,
            m.AwaitProcess: self._await,
            m.EndProcess: self._end,
            m.ReadOutput: self._read,
            m.WriteInput: self._write,
            m.ResizePty: self._resize,
            m.ReadFile: self._read_file,
            m.WriteFile: self._write_file,
            m.ListFiles: self._list_files,
            m.StatFile: self._stat_file,
            m.MakeDirectory: self._make_directory,
            m.RemoveFile: self._remove_file,
            m.WatchFiles: self._watch,
        }

    @property
    def running(self) -> list[RunningProcess]:
        """Commands that have not ended."""
        return [each for each in self.processes.values() if each.returncode is None]

    async def _start(self, ask: m.StartProcess) -> m.SandboxAnswer:
        if ask.process_id in self.processes:
            return m.AskDone()
        if not ask.process.command:
            raise NotFoundError("a command to execute has no words: give the program and its arguments")
        if len(self.running) > MOST_PROCESSES:
            raise ResourceExhaustedError(
                f"{MOST_PROCESSES} commands run in this sandbox already, which are the most that may at once: wait for one"
            )
        self.processes[ask.process_id] = RunningProcess(ask.process, self._environment, self._workdir, self._ended)
        self._changed()
        return m.AskDone()

    def _ended(self, process: RunningProcess) -> None:
        self._changed()
        ended = [(key, each) for key, each in self.processes.items() if each.returncode is not None and key]
        kept = sum(len(output.kept.kept) for _, each in ended for output in each.outputs.values())
        while ended and (len(ended) > MOST_ENDED or kept > ENDED_BYTES) and ended[0][1] is not process:
            key, oldest = ended.pop(0)
            kept -= sum(len(output.kept.kept) for output in oldest.outputs.values())
            oldest.let_go()
            del self.processes[key]

    def _find(self, process_id: str) -> RunningProcess:
        process = self.processes.get(process_id)
        if process is None:
            what = (
                f"no command {process_id} is known in this sandbox: it ended long ago"
                if process_id
                else ("this sandbox was created without a command: use `exec`")
            )
            raise NotFoundError(what)
        return process

    async def _await(self, ask: m.AwaitProcess) -> m.SandboxAnswer:
        process = self._find(ask.process_id)
        if ask.wait:
            await process.ended.wait()
        return m.ProcessViewed(process.returncode)

    async def _end(self, ask: m.EndProcess) -> m.SandboxAnswer:
        self._find(ask.process_id).end()
        return m.AskDone()

    async def _read(self, ask: m.ReadOutput) -> m.SandboxAnswer:
        output = self._find(ask.process_id).outputs.get(ask.stream)
        if output is None:  # a terminal has one stream
            return m.OutputRead(ask.offset, b"", True)
        return m.OutputRead(*await output.read(ask.offset, MAX_CHUNK_BYTES, wait=ask.wait))

    async def _write(self, ask: m.WriteInput) -> m.SandboxAnswer:
        self._changed()
        await self._find(ask.process_id).stdin.write(ask.offset, ask.data, eof=ask.eof)
        return m.AskDone()

    async def _resize(self, ask: m.ResizePty) -> m.SandboxAnswer:
        self._find(ask.process_id).resize(ask.size)
        return m.AskDone()

    # --- files --------------------------------------------------------------------------------------------------------

    def _path(self, path: str) -> str:
        return os.path.join(self._workdir, path)

    async def _read_file(self, ask: m.ReadFile) -> m.SandboxAnswer:
        return m.FileRead(*files.read_file(self._path(ask.path), ask.offset, ask.count))

    async def _write_file(self, ask: m.WriteFile) -> m.SandboxAnswer:
        return m.FileWritten(files.write_file(self._path(ask.path), ask))

    async def _list_files(self, ask: m.ListFiles) -> m.SandboxAnswer:
        return m.FilesListed(files.list_files(self._path(ask.path)))

    async def _stat_file(self, ask: m.StatFile) -> m.SandboxAnswer:
        return m.FilesListed([files.stat_file(self._path(ask.path))])

    async def _make_directory(self, ask: m.MakeDirectory) -> m.SandboxAnswer:
        files.make_directory(self._path(ask.path), parents=ask.parents)
        return m.AskDone()

    async def _remove_file(self, ask: m.RemoveFile) -> m.SandboxAnswer:
        # On a thread: a large tree takes long, and others are served meanwhile.
        await asyncio.to_thread(files.remove_file, self._path(ask.path), recursive=ask.recursive)
        return m.AskDone()

    async def _watch(self, ask: m.WatchFiles) -> m.SandboxAnswer:
        watch = self._watches.get(ask.watch_id)
        if ask.over:
            if watch is not None:
                del self._watches[ask.watch_id]
                watch.close()
            return m.AskDone()
        if watch is None:
            if ask.after:
                raise ConflictError("the watch has ended")
            if len(self._watches) >= MOST_WATCHES:
                raise ResourceExhaustedError(f"{MOST_WATCHES} watches are open in this sandbox already: end one")
            watch = FileWatch(self._path(ask.path), ask.kinds, recursive=ask.recursive)
            self._watches[ask.watch_id] = watch
        return m.FilesChanged(*await watch.changes(ask.after, ask.seconds))
