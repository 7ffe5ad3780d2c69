"""Deployments on disk: what was kept is there, whoever opens it next, and what cannot be kept is said."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from motet.errors import ServiceError
from motet.model.deployment import DeploymentView
from motet.model.function import AppSpec
from motet.store.base import KeptDeployment, KeptSchedule
from motet.store.sqlite_deployments import SqliteDeployments
from tests.server.stage import function

Opened = Callable[[Path], SqliteDeployments]


def kept(version: int = 1, name: str = "shop", state: str = "failed") -> KeptDeployment:
    view = DeploymentView(
        name=name,
        version=version,
        app_id=f"ap-{name}{version}",
        state=state,  # type: ignore[arg-type]
        deployed_at=float(version),
        deployed_by="ci",
        tag="a tag",
    )
    spec = AppSpec(name=name, functions=(function(env={"KEY": "secret"}),), sys_path=("src",))
    return KeptDeployment(
        view=view, spec=spec, function_ids={"f": f"fu-{version}"}, owner="o", rights=("call", "deploy")
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deployments.db"


@pytest.fixture
def opened() -> Iterator[Opened]:
    """Opens stores, which are closed at the end."""
    with contextlib.ExitStack() as stores:
        yield lambda path: stores.enter_context(contextlib.closing(SqliteDeployments(path)))


def test_what_was_kept_is_there_for_the_next_server(path: Path, opened: Opened) -> None:
    store = opened(path)
    for version in (1, 2, 3):
        store.add(kept(version))
    store.change(
        [replace(kept(3).view, state="live", share=100.0), replace(kept(2).view, state="replaced", ended_at=9.0)]
    )
    store.add(kept(1, "other"))
    store.close()
    again = opened(path)
    assert [(it.version, it.state) for it in again.history("shop")] == [(3, "live"), (2, "replaced"), (1, "failed")]
    (serving,) = again.serving()
    assert serving.view.share == 100.0
    assert (serving.spec, serving.function_ids, serving.rights) == (kept(3).spec, {"f": "fu-3"}, ("call", "deploy"))
    assert (again.last("shop"), again.last("other"), again.last("none")) == (3, 1, 0)
    assert again.find("shop", 9) is None
    assert again.history("none") == []


def test_what_ends_what_it_accepted_is_found_until_nothing_of_it_is_left(path: Path, opened: Opened) -> None:
    store = opened(path)
    store.add(kept(1, state="replaced"))
    assert [it.view.version for it in store.serving()] == [1]
    store.change([replace(kept(1, state="replaced").view, ended_at=5.0)])
    assert store.serving() == []


def test_bundles_are_needed_by_what_serves_and_by_the_newest_versions(path: Path, opened: Opened) -> None:
    store = opened(path)
    for version, state in ((1, "live"), (2, "failed"), (3, "failed")):
        one = kept(version, state=state)
        store.add(KeptDeployment(view=replace(one.view, bundle=f"b{version}"), spec=one.spec, function_ids={}))
    assert (store.bundles(0), store.bundles(1), store.bundles(None)) == ({"b1"}, {"b1", "b3"}, {"b1", "b2", "b3"})


def test_its_user_alone_can_read_it_and_no_repr_shows_a_secret(path: Path, opened: Opened) -> None:
    opened(path).add(kept())
    assert all(file.stat().st_mode & 0o077 == 0 for file in path.parent.iterdir())
    assert "secret" not in repr(kept())


def test_what_was_answered_for_outlives_a_process_that_is_killed(path: Path, opened: Opened) -> None:
    code = (
        "import os, sys; from pathlib import Path; from tests.store.test_deployments import *;"
        "store = SqliteDeployments(Path(sys.argv[1])); store.add(kept(1, state='live')); os.kill(os.getpid(), 9)"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert ended.returncode == -9
    assert [it.view.version for it in opened(path).serving()] == [1]


def test_a_newer_format_is_said_and_left_as_it_is(path: Path) -> None:
    SqliteDeployments(path).close()
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    with pytest.raises(
        ServiceError, match=r"was written by a newer Motet .format 99, this one knows 1., and is left as it is"
    ):
        SqliteDeployments(path)
    assert path.read_bytes() == before


def test_a_file_that_is_none_is_said(path: Path) -> None:
    path.write_bytes(b"x" * 4096)
    with pytest.raises(ServiceError, match=r"cannot open deployments in .*: file is not a database"):
        SqliteDeployments(path)


def test_a_full_disk_is_said_and_nothing_has_changed(path: Path, opened: Opened) -> None:
    store = opened(path)
    store.add(kept(1, state="live"))
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    large = AppSpec(name="shop", functions=(function(env={"BIG": "x" * 100_000}),))
    with pytest.raises(
        ServiceError, match=r"cannot keep deployments in .*full. Nothing has changed; what serves goes on"
    ):
        store.add(KeptDeployment(view=kept(2).view, spec=large, function_ids={}))
    assert [it.version for it in store.history("shop")] == [1]
    store._connection.execute("PRAGMA max_page_count = 1000000")
    store.add(kept(2))


def test_a_place_that_cannot_be_written_is_said(path: Path, opened: Opened) -> None:
    with pytest.raises(ServiceError, match="cannot open deployments in"):
        SqliteDeployments(path.parent / "none" / path.name)
    store = opened(path)
    store._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(ServiceError, match="attempt to write a readonly database"):
        store.add(kept())
    assert store.history("shop") == []


def test_a_long_history_is_not_read_to_find_what_serves(path: Path, opened: Opened) -> None:
    store = opened(path)
    for version in range(1, 301):
        store._connection.execute("PRAGMA synchronous = OFF")
        store.add(kept(version, state="failed"))
    store.add(kept(301, state="live"))
    plan = store._connection.execute("EXPLAIN QUERY PLAN SELECT view, kept FROM deployments WHERE serves").fetchall()
    assert "USING INDEX serving" in plan[0][-1]
    began = time.perf_counter()
    assert [it.view.version for it in store.serving()] == [301]
    assert time.perf_counter() - began < 0.1


def test_what_is_kept_of_schedules_is_there_for_the_next_server(path: Path, opened: Opened) -> None:
    store = opened(path)
    assert store.schedules() == []
    store.keep_schedule(KeptSchedule(app="shop", function="f", handled_at=1.0, call_id="fc-1"))
    last = KeptSchedule(app="shop", function="f", handled_at=2.0, ran_at=2.0, call_id="fc-2", note="late by 60 s")
    store.keep_schedule(last)
    paused = KeptSchedule(app="shop", function="g", paused=True)
    store.keep_schedule(paused)
    store.close()
    assert sorted(opened(path).schedules(), key=lambda it: it.function) == [last, paused]
