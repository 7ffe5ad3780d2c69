"""Under a `motet server` that is root, each app's containers are a user of its own, and reach nothing of other apps."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from motet.server.containers.app_users import missing_rights
from tests.e2e.standing import standing_server

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or missing_rights() != (), reason="left out: this process may not become other users"
)
CALLS = """
import json, motet
first, second = (motet.Function.from_name(app, "look") for app in ("first", "second"))
seen = first.remote()
print(json.dumps([seen, second.remote(seen), motet.Function.from_name("first", "snapshot").remote()]))
"""


def test_apps_are_users_of_their_own(tmp_path: Path) -> None:
    shutil.copy(Path(__file__).parent / "programs/app_users.py", tmp_path / "program.py")
    home = tmp_path / "home"
    env = {"OWNERS_HOME": str(home), "MOTET_CONTAINER_ENV": "OWNERS_HOME", "MOTET_APP_USERS": "on"}
    with standing_server(home, env=env) as server:
        for name in ("first", "second"):
            with (tmp_path / "program.py").open("a") as program:
                program.write(f"\n# {name}\n")  # apps of the same source have one bundle
            server.motet("deploy", "program.py", "--name", name, cwd=tmp_path)
        (line,) = server.lines("-c", CALLS, cwd=tmp_path)
        first, second, (imported, runs) = json.loads(line)
        assert first["uid"] >= 0x78000000
        assert (first["bundle"], first["python"], first["child"]) == (False, "motet\n", 8)
        assert second["uid"] != first["uid"]
        assert second["reads"] == [], "of another app"
        assert imported == runs == first["uid"]
