"""What holds for all tests: a home of their own for what they record, Ctrl-C, and how many of them run concurrently."""

from __future__ import annotations

import gc
import os
import signal
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.postgres import PostgresDatabase, PostgresServer

# How long an example may take depends on what else the machine does.
settings.register_profile("motet", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("motet")


def pytest_configure(config: pytest.Config) -> None:
    """MOTET_HOME for everything that tests start; before any of them is imported, as some keep the environment."""
    # Programs inherit that SIGINT is ignored, and a shell's background jobs are started so: CI among them.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    home = tempfile.TemporaryDirectory(prefix="motet-home-", ignore_cleanup_errors=True)
    os.environ["MOTET_HOME"] = home.name
    # Functions tell what they did in files of whoever runs the tests, which may be root. `test_app_users` switches it on, and
    # `MOTET_APP_USERS=on pytest --basetemp=DIRECTORY` for all tests: what they make is open to everybody then.
    if os.environ.setdefault("MOTET_APP_USERS", "off") == "on":
        os.umask(0)
    os.environ["MOTET_CONFIG"] = f"{home.name}/profiles.toml"  # not those of who runs the tests
    config.add_cleanup(home.cleanup)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Looks for no cycles while a worker makes its 10,000 tests, nor among those tests ever after: 8 of 19 s of each worker."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(autouse=True)
def open_to_app_users(request: pytest.FixtureRequest) -> None:
    """Lets containers that are users of their apps into tests' directories, below the one that was named for them."""
    named = request.config.option.basetemp
    if os.environ["MOTET_APP_USERS"] == "on" and named is not None:
        request.getfixturevalue("tmp_path")
        base = Path(named)
        if os.environ.get("PYTEST_XDIST_WORKER"):  # each has one in there
            base.parent.chmod(0o777)
        for directory in (base, *filter(Path.is_dir, base.iterdir())):
            directory.chmod(0o777)


def pytest_xdist_auto_num_workers() -> int:
    """For `pytest -n auto`: two workers a core, as most tests wait for processes rather than compute."""
    return 2 * len(os.sched_getaffinity(0))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server, for all tests of a worker. Tests that need one are skipped where there is none."""
    from tests.postgres import PostgresServer, programs  # late: few tests need it

    place = programs()
    if isinstance(place, str):
        pytest.skip(place)
    server = PostgresServer(place)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> Iterator[PostgresDatabase]:
    """An empty database of it, for one test."""
    from tests.postgres import postgres_database

    with postgres_database(postgres_server) as database:
        yield database
