"""What is kept of other runs: deleted while a server runs, not only when one starts."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from motet.server.config import ServerConfig
from motet.server.records import keeper
from motet.server.records.config import RecordsConfig
from motet.server.wiring import build_server
from motet.store.home import ServerDirectory
from motet.testing.backends import FakeBackend
from tests.server.stage import Client, function


def ended_run(home: Path, name: str, size: int = 10) -> Path:
    directory = ServerDirectory.create(home, name)
    directory.records.write_bytes(bytes(size))
    directory.close()
    return directory.path


@pytest.mark.parametrize("why", ["too old", "too much"])
def test_runs_that_end_meanwhile_go_when_they_are_too_old_or_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    async def main() -> None:
        config = RecordsConfig(home=tmp_path, keep_for=3600.0, keep_bytes=10_000_000)
        server = build_server(ServerConfig(records=config, stop_grace=0.2), FakeBackend())
        await server.start()
        client = Client(server)
        await server.operations.flush()
        kept = ended_run(tmp_path, "se-kept")
        gone = ended_run(tmp_path, "se-gone", 10 if why == "too old" else 20_000_000)
        for file in gone.iterdir():
            os.utime(file, (1.0, 1.0))
        await client.create(function())
        await server.operations.flush()
        await client.create(function(), app_id="ap-2")
        await server.operations.flush()
        assert (kept.exists(), gone.exists()) == (True, False)
        await server.stop()

    monkeypatch.setattr(keeper, "FORGET_INTERVAL", 0.0)
    asyncio.run(main())
