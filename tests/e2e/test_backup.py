"""A backup of a server that runs, given back under another home: what was deployed there is called as before."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from motet.cli.main import motet
from tests.e2e.standing import standing_server

SHOP = """
import motet

app = motet.App("shop")


@app.function()
def price(pieces: int) -> int:
    return pieces * 10
"""
CALLS = "import motet; print(motet.Function.from_name('shop', 'price').remote(3))"


def command(home: Path, *arguments: str, status: int = 0) -> str:
    done = CliRunner().invoke(motet, [*arguments], env={"MOTET_HOME": str(home), "MOTET_SERVER": ""})
    assert done.exit_code == status, done.output
    return done.output


def test_a_restored_server_serves_what_was_deployed_before_the_backup(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    backup, first, second = tmp_path / "backup", tmp_path / "first", tmp_path / "second"
    with standing_server(first) as server:
        server.motet("deploy", "shop.py", cwd=tmp_path)
        assert command(first, "server", "backup", str(backup)).startswith(f"{backup}: ")
        assert "deployments.db: all is well\n" in command(first, "store", "check")
        assert "a server has" in command(first, "server", "restore", str(backup), status=1)
    assert f"{second / 'server'} is as it was on " in command(second, "server", "restore", str(backup))
    with standing_server(second) as there:
        assert "Admin token" not in "".join(there.said)
        called = subprocess.run(
            [sys.executable, "-c", CALLS], env=there.client_env, capture_output=True, text=True, check=False
        )
        assert (called.stdout, called.stderr) == ("30\n", "")
    (first / "server" / "journal.db").write_bytes(b"")
    said = command(first, "store", "check", status=1)
    assert f"journal.db: {first / 'server' / 'journal.db'} is not the journal of spawned calls that" in said
    assert "it is empty (0 bytes)" in said
    server_again = [sys.executable, "-m", "motet", "server"]
    refused = subprocess.run(
        server_again,
        env={**os.environ, "MOTET_HOME": str(first)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert refused.returncode == 1
    assert "To go on without the spawned calls that were in it, move journal.db, journal.db-wal" in refused.stderr
