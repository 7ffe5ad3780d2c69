"""How containers end that are told to."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

from motet.server.wiring import open_archive
from tests.e2e.programs.leaving import app, keep_a_pool


def test_a_process_pool_that_the_user_left_ends_with_its_container() -> None:
    with app.run():
        app_id = app.app_id
        assert keep_a_pool.remote() == 3
    with closing(open_archive(Path(os.environ["MOTET_HOME"]))) as archive:
        (function,) = (each for each in archive.functions(app_id) if each.name == "keep_a_pool")
        assert [each.end for each in archive.containers(function.function_id)] == ["app stopped; exited with status 0"]
