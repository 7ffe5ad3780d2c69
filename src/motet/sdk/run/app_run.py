"""`with app.run():`: how an app starts and stops."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Mapping
from typing import Generic, Protocol, Self, TypeVar

from msgspec.structs import replace

from motet.client import reach
from motet.client.connection import Connection
from motet.client.dual import Steps, run_async, run_blocking
from motet.client.new_ids import new_app_id
from motet.client.own_connection import OwnConnection
from motet.client.reach import Reachable
from motet.client.running_app import HasRunning, RunningApp, begins_here, ends_here
from motet.client.standing import standing
from motet.context.container import is_local
from motet.context.main_module import know_container_name
from motet.errors import InvalidError, NotFoundError
from motet.model.function import AppSpec, FunctionSpec
from motet.sdk.options.checks import check_name
from motet.sdk.run import runs
from motet.sdk.run.other_side import as_seen_from, refuse_other_python, refuse_unloadable, travels
from motet.sdk.run.output import LinePrinter, output_enabled
from motet.sdk.run.runs import Runs
from motet.sdk.run.temporary import temporary
from motet.wire.by_value import ByValue
from motet.wire.client_messages import CreateApp, StopApp
from motet.wire.operator_messages import OpenDashboard


class CanRun(HasRunning, Protocol):
    """What a run must know of an app, and what it leaves there."""

    runs: Runs
    own_run: RunningApp | None

    @property
    def included(self) -> tuple[Self, ...]: ...

    def described(self, *, with_interfaces: bool = False) -> tuple[AppSpec, ByValue]: ...

    def declared_specs(self) -> list[FunctionSpec]: ...


A = TypeVar("A", bound=CanRun)


def with_environment(app: AppSpec, env: Mapping[str, str]) -> AppSpec:
    """The app with these variables in its containers, under the functions' own."""
    if not env:
        return app
    return replace(
        app,
        functions=tuple(
            replace(each, image=replace(each.image, env={**env, **each.image.env})) for each in app.functions
        ),
    )


def _say_where_it_is(running: RunningApp) -> None:
    print(
        f"{running.name} goes on as {running.app_id}. To see what it writes, and to stop it:\n"
        f"  motet app logs {running.app_id}\n  motet app stop {running.app_id}",
        file=sys.stderr,
    )


class AppRun(Generic[A]):
    """`with app.run():` and `async with app.run():`. Leaving the block cancels what still runs and stops all containers, unless
    the run is to `detach`: then the app goes on. `is_temporary`: its URLs are others than those of what is deployed."""

    def __init__(
        self,
        app: A,
        *,
        name: str | None = None,
        detach: bool = False,
        dashboard: bool = False,
        is_temporary: bool = False,
    ) -> None:
        self._app = app
        self._name = None if name is None else check_name("the name of a run", name)
        self._detach = detach
        self._is_temporary = is_temporary
        self._dashboard = dashboard
        self._exits = contextlib.ExitStack()
        self._running: RunningApp | None = None
        self._server: Reachable | None = None
        self._parts: tuple[CanRun, ...] = ()
        self._process = 0

    def __enter__(self) -> A:
        return self._entered(run_blocking(self._start()))

    def __exit__(self, *exc: object) -> None:
        run_blocking(self._stop())

    async def __aenter__(self) -> A:
        # Not on the loop: that takes longer than other tasks should wait.
        if reach.must_load():
            import asyncio  # late: most programs have no loop

            await asyncio.to_thread(reach.load)
        return self._entered(await run_async(self._start()))

    async def __aexit__(self, *exc: object) -> None:
        await run_async(self._stop())

    def _entered(self, running: RunningApp) -> A:
        runs.enter(running)
        return self._app

    def _start(self) -> Steps[RunningApp]:
        app = self._app
        if not is_local():
            raise InvalidError(
                "Can not run an app in global scope within a container. "
                'Put `with app.run():` under `if __name__ == "__main__":`.'
            )
        if app.own_run is not None:
            raise InvalidError(
                "App is already running and can't be started again.\n"
                "You should not use `app.run` within a local entrypoint: `motet run` has started the app already."
            )
        know_container_name()
        (spec, by_value), declared = app.described(with_interfaces=self._is_on_server()), app.declared_specs()
        server = yield from self._acquire()
        try:
            yield from server.wait_started()
            refuse_other_python(server.connection)
            refuse_unloadable(server.connection, spec)
            # First: an app should not have begun if it cannot be looked at as was asked.
            pages = (yield from server.connection.request(OpenDashboard())) if self._dashboard else None
            connect = OwnConnection(server.reconnect, server.connection)
            spec = with_environment(temporary(spec) if self._is_temporary else spec, server.carried)
            running = yield from self._create(
                connect, spec, declared, travels=server.is_elsewhere or travels(server.connection)
            )
            running.by_value, running.included = as_seen_from(server.connection, by_value), lambda: app.included
        except BaseException:
            self._exits.close()
            yield from self._release(server)
            raise
        self._server = server
        self._process, self._running, self._parts = os.getpid(), running, (app, *app.included)
        running.apps, app.own_run = self._parts, running
        for each in self._parts:
            each.runs.begin(running)
        if pages is not None:
            running.dashboard_url = f"{pages.url}/apps/{running.app_id}?code={pages.code}"
            print(f"Dashboard: {running.dashboard_url}", file=sys.stderr)
        # Not before all of it is set: whoever asks for a running app, from any thread, gets it from now on.
        begins_here(running)
        self._print_output(running)
        return running

    def _is_on_server(self) -> bool:
        return self._detach or reach.is_named()

    def _acquire(self) -> Steps[Reachable]:
        """What runs on when this program ends needs a server that does; it is shared with all that this process asks of it."""
        if not self._detach:
            return reach.acquire()
        return (yield from standing("a detached run", "motet run --detach FILE")).server

    def _release(self, server: Reachable) -> Steps[None]:
        if not self._detach:
            yield from server.release()

    def _create(
        self, connect: Callable[[], Connection], spec: AppSpec, declared: list[FunctionSpec], *, travels: bool
    ) -> Steps[RunningApp]:
        app_id, digest = new_app_id(), ""
        if travels:
            from motet.bundles.upload import sent  # late: runs on this machine do without

            spec, digest = yield from sent(connect(), spec)
        if any(function.image.steps or function.image.files for function in spec.functions):
            from motet.sdk.run.images import settle_images  # late: most programs ask for nothing

            undo = yield from settle_images(connect(), spec, digest, here=not self._is_on_server())
            self._exits.callback(undo)
        reply = yield from connect().request(CreateApp(app_id, spec, self._detach, bundle=digest))
        return RunningApp(app_id, self._name or spec.name, connect, reply.functions, reply.web_urls, declared)

    def _print_output(self, running: RunningApp) -> None:
        if output_enabled():
            printer = LinePrinter()
            printer.start()
            running.on_output(printer)
            self._exits.callback(printer.stop)
        self._exits.callback(running.on_output, None)

    def _stop(self) -> Steps[None]:
        # Taken away first: a block that is left twice, or was never entered, has nothing to stop.
        running, self._running = self._running, None
        server, self._server = self._server, None
        if running is None or server is None:
            return
        # A process that was forked inside of the block leaves it as well: the app goes on in its parent.
        is_ours = self._process == os.getpid()
        try:
            if is_ours and self._detach:
                _say_where_it_is(running)
            elif is_ours:
                with contextlib.suppress(NotFoundError):  # an operator has stopped it already
                    yield from running.connection.request(StopApp(running.app_id))
            else:
                self._exits.pop_all()
        finally:
            self._forget(running)
            self._exits.close()
            if is_ours:
                yield from self._release(server)

    def _forget(self, running: RunningApp) -> None:
        runs.leave(running)
        ends_here(running)
        self._app.own_run = None
        for each in self._parts:
            each.runs.end(running)
