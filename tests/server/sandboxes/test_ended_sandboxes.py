"""How sandboxes ended is known to the servers after theirs, of so many and no more."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

from motet.model.image import ImageSpec
from motet.model.sandbox import SandboxSpec
from motet.server.clock import Clock
from motet.server.containers.output import ContainerOutput, LineSource
from motet.server.lines import Lines
from motet.server.sandboxes.ended_sandboxes import MOST, EndedSandboxes
from motet.server.sandboxes.known_sandbox import KnownSandbox, SandboxNote
from motet.wire import sandbox_messages as m


def output() -> ContainerOutput:
    clock = Clock.of_loop(asyncio.get_running_loop())
    return ContainerOutput(LineSource("", "sb-1", "", "sb-1"), Lines(), lambda: None, clock)


def ended(number: int) -> KnownSandbox:
    spec = SandboxSpec(command=("cat",), name="box", env={"SECRET": "s3"}, image=ImageSpec(env={"ALSO": "s4"}))
    sandbox = KnownSandbox(f"sb-{number}", SandboxNote("ap-1", "app", "t0ken", 7, spec, 1.0), output())
    sandbox.last = m.SandboxEnded("exited", 3, 2, b"out", 0, b"")
    sandbox.is_over("exited", 3, "because", 2.0)
    return sandbox


def test_the_next_server_knows_how_it_ended_and_nothing_secret_is_kept(tmp_path: Path) -> None:
    async def scene() -> None:
        path, sandbox = tmp_path / "sandboxes", ended(1)
        EndedSandboxes(path).add(sandbox)
        (found,) = EndedSandboxes(path).read()
        known = found.known(output())
        assert known.view() == sandbox.view()
        assert (known.has_process, known.over.is_set(), known.gone.is_set()) == (False, True, True)
        assert known.kept("stdout") == (5, b""), "whoever reads is told that it is gone"
        text = path.read_text()
        assert not any(secret in text for secret in ("s3", "s4", "t0ken", "out\\"))
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    asyncio.run(scene())


def test_the_file_is_bounded_and_one_that_is_cut_off_or_cannot_be_written_does_no_harm(tmp_path: Path) -> None:
    async def scene() -> None:
        path = tmp_path / "sandboxes"
        kept = EndedSandboxes(path)
        for number in range(2 * MOST):
            kept.add(ended(number))
        assert len(path.read_bytes().splitlines()) == MOST
        path.write_bytes(path.read_bytes()[:-20])
        found = EndedSandboxes(path).read()
        assert [it.sandbox_id for it in (found[0], found[-1])] == [f"sb-{MOST}", f"sb-{2 * MOST - 2}"]
        nowhere = EndedSandboxes(tmp_path / "no" / "such")
        assert nowhere.read() == []
        nowhere.add(ended(1))

    asyncio.run(scene())
