"""What a container has of the program that its app was started from: directory, arguments, search path, functions."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from motet.client.connection import Connection
from motet.client.own_connection import OwnConnection
from motet.client.running_app import RunningApp, enter_container_app
from motet.context import sources
from motet.context.container import run_alone
from motet.runtime.loading import bundled
from motet.runtime.loading.program import know_main
from motet.wire.container_messages import Configure

_SHOWN = 5
_LOOKED_AT = 1000
"""Files left in the temporary directory that are counted."""

_LONGEST_PATH = 74
"""Bytes: sockets have paths of 107, and those that `multiprocessing` makes are 33 below its temporary directory."""
project_directory: str | None = None
"""Where the program was when its app started."""


def carry_name(container_id: str) -> None:
    """Let other processes know which container this one is, wherever its code goes: an open file says so, by its name."""
    os.memfd_create(container_id)


def take_temporary_directory() -> str:
    """The current directory, which goes with the container, as the one for temporary files, unless the function has another."""
    directory = os.getcwd()
    if len(os.fsencode(directory)) <= _LONGEST_PATH:
        os.environ.setdefault("TMPDIR", directory)
    tempfile.tempdir = None  # the template may have looked for it
    return directory


def enter_program(configuration: Configure) -> None:
    """Begin where the program is, with its arguments; make its modules importable."""
    global project_directory
    project_directory = configuration.project_dir or None
    if configuration.project_dir:
        _change_directory(configuration.project_dir, "where its app was started")
    if configuration.argv:
        sys.argv[:] = configuration.argv
    if configuration.bundle:
        bundled.leave_other_source(configuration.bundle)
    sys.path[:] = [*configuration.sys_path, *(path for path in sys.path if path not in configuration.sys_path)]
    if configuration.main is not None:
        know_main(configuration.main)
    if configuration.sources:
        sources.use(sources.Sources(Path(configuration.sources)))


def enter_workdir(configuration: Configure) -> None:
    """Begin where the image says, if it does."""
    workdir = configuration.spec.image.workdir
    if not workdir:
        return
    directory = os.path.join(configuration.project_dir, workdir)
    if configuration.bundle and (configuration.spec.isolation or "process") == "process":
        # Files for absolute paths are in the program's directory there, see `bundles.bundle`.
        below = os.path.relpath(workdir, "/root" if is_below_root(workdir) else "/")
        if os.path.isdir(within := os.path.normpath(os.path.join(configuration.project_dir, below))):
            directory = within
    _change_directory(directory, "which its image has as workdir")


def is_below_root(path: str) -> bool:
    """Whether it is where programs for Modal have their source."""
    return path == "/root" or path.startswith("/root/")


def enter_app(configuration: Configure, connect_client: Callable[[], Connection]) -> None:
    """Make functions of the app callable from here."""
    spec = configuration.spec
    if spec.concurrency.max_inputs == 1 and spec.autoscaler.max_containers == 1 and spec.batching is None:
        run_alone(configuration.function_id)
    enter_container_app(
        RunningApp(
            configuration.app_id,
            configuration.app_name,
            OwnConnection(connect_client),
            configuration.functions,
            configuration.web_urls,
        )
    )


def _change_directory(directory: str, which: str) -> None:
    try:
        os.chdir(directory)
    except OSError as error:
        print(
            f"motet: this container begins in {os.getcwd()}, for it cannot be in {directory}, {which}: "
            f"{error.strerror}",
            file=sys.stderr,
            flush=True,
        )


def tell_what_goes(directory: str) -> None:
    """Say which files are removed with the container's temporary directory: somebody may have passed on their names."""
    found = sorted(_files_below(directory))
    if found:
        shown = ", ".join(found[:_SHOWN]) + (f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else "")
        print(
            f"motet: removed with this container's temporary directory (TMPDIR): {shown}. Files that are to stay go elsewhere.",
            file=sys.stderr,
            flush=True,
        )


def _mounted() -> set[str]:
    try:
        return {line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()}
    except OSError:
        return set()


def _files_below(directory: str) -> list[str]:
    found: list[str] = []
    mounted = _mounted()
    for place, below, names in os.walk(directory):
        if mounted:  # of the host, which walls show here
            below[:] = [name for name in below if os.path.join(place, name) not in mounted]
            names[:] = [name for name in names if os.path.join(place, name) not in mounted]
        found += [os.path.relpath(os.path.join(place, name), directory) for name in names]
        if len(found) > _LOOKED_AT:
            break
    return [name for name in found if Path(directory, name).is_file()]
