"""A running app, seen from a client: where its functions' pools are, and which running app a call goes to."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import msgspec

from motet.client.connection import Connection
from motet.client.dual import Steps, dual
from motet.errors import ExecutionError
from motet.model.function import FunctionSpec, FunctionVariant
from motet.model.views import AppView
from motet.wire.by_value import NOTHING
from motet.wire.client_messages import BindFunction, OutputLines, ViewApp

NO_VARIANT = FunctionVariant()
_encode = msgspec.msgpack.Encoder().encode


class HasRunning(Protocol):
    """What a function must know of its app."""

    @property
    def running(self) -> RunningApp | None: ...

    def successor_of(self, spec: FunctionSpec) -> str | None:
        """Where the function is that took the name of this declaration."""


class RunningApp:
    """An app that runs on a server, seen from a client. Thread-safe.

    `functions` gives ids by (key of the app a function was declared on, its own key). `declared`: what it was started with,
    where that is known.
    """

    def __init__(
        self,
        app_id: str,
        name: str,
        connect: Callable[[], Connection],
        functions: list[tuple[str, str, str]],
        web_urls: list[tuple[str, str, str]],
        declared: Iterable[FunctionSpec] = (),
    ) -> None:
        self.app_id = app_id
        self.name = name
        self.dashboard_url: str | None = None
        """Its page, if it was run with `dashboard=True`. The code in it lets one browser in, within a minute."""
        self.apps: tuple[object, ...] = ()
        """The apps that take part in it, where it was begun."""
        self.by_value = NOTHING
        """What of this process its containers cannot import."""
        self.included: Callable[[], Sequence[object]] = tuple
        """The apps that its own one includes by now."""
        self._connect = connect
        self._functions = {(app_key, function): function_id for app_key, function, function_id in functions}
        self._web_urls = {(function_id, method): url for function_id, method, url in web_urls}
        self._variants: dict[tuple[str, bytes], tuple[Connection, str]] = {}
        """With the connection they were asked for over: another server has to be told of them again."""
        self._declared = {(spec.app_key, spec.key): spec for spec in declared}

    @property
    def connection(self) -> Connection:
        """The connection its calls go over (a container opens one at its first nested call)."""
        return self._connect()

    def connected(self) -> Steps[Connection]:
        """The same, for who may have to wait for one."""
        yield from ()
        return self.connection

    def function_id(self, spec: FunctionSpec, variant: FunctionVariant, *, takes_part: bool) -> Steps[str]:
        """The id of a function's pool. `takes_part`: the app that it is declared on was started with this one.

        Raises `ExecutionError` if this app does not have the function.
        """
        base = self._functions.get((spec.app_key, spec.key))
        if base is None or (takes_part and self._declared.get((spec.app_key, spec.key), spec) is not spec):
            raise self._is_not_here(spec, takes_part)
        if variant is NO_VARIANT or variant == NO_VARIANT:
            return base
        # By its bytes: a variant holds dictionaries and so cannot be a key itself.
        key = (base, _encode(variant))
        bound = self._variants.get(key)
        connection = yield from self.connected()
        if bound is None or bound[0] is not connection:
            reply = yield from connection.request(BindFunction(base, variant))
            bound = self._variants[key] = connection, reply.function_id
        return bound[1]

    def began_with(self, spec: FunctionSpec) -> bool:
        """Whether this very declaration is what it runs, whatever was declared under its name since."""
        return self._declared.get((spec.app_key, spec.key)) is spec

    def has(self, spec: FunctionSpec) -> bool:
        """Whether this function is a part of it."""
        return (spec.app_key, spec.key) in self._functions

    def name_in_logs(self, spec: FunctionSpec) -> str:
        """What its lines are found by: its name or, where several functions have that, its id (variants have others)."""
        same = [key for app_key, key in self._functions if app_key == spec.app_key and _name_of(key) == spec.name]
        return spec.name if len(same) < 2 else self._functions.get((spec.app_key, spec.key), spec.name)

    def _is_not_here(self, spec: FunctionSpec, takes_part: bool) -> ExecutionError:
        if takes_part:
            again = "again " if (spec.app_key, spec.name) in self._functions else ""
            return ExecutionError(
                f"function {spec.name!r} was declared {again}after its app {self.name!r} had started, which runs what was "
                "declared by then. Declare it before `app.run()`; in a notebook, leave `with app.run():` and enter it again."
            )
        known = ", ".join(sorted({_name_of(key) for _, key in self._functions})) or "none"
        return ExecutionError(
            f"the running app {self.name!r} has no function {spec.name!r} of app {spec.app_name or '(unnamed)'!r} (it has: "
            f"{known}). Functions of other apps must be brought in with `app.include(other_app)` before the app runs."
        )

    def web_url(self, spec: FunctionSpec, method: str) -> str | None:
        """The URL of a web function; None for any other."""
        return self._web_urls.get((self._functions.get((spec.app_key, spec.key), ""), method))

    @property
    def web_urls(self) -> dict[str, str]:
        """URLs of all its web functions, by name ("f", "Class.method")."""
        names = {function_id: name for (_, name), function_id in self._functions.items()}
        return {f"{names[it]}.{method}".rstrip("."): url for (it, method), url in self._web_urls.items()}

    @dual
    def view(self) -> Steps[AppView]:
        """What there is to see of the app now."""
        reply = yield from self.connection.request(ViewApp(self.app_id))
        return reply.view  # type: ignore[no-any-return]

    def on_output(self, listener: Callable[[OutputLines], None] | None) -> None:
        """Give lines its containers write to `listener`, on the I/O thread; None stops that."""
        self.connection.listen(self.app_id, listener)


def _name_of(key: str) -> str:
    """The name of the function that has this key: see `FunctionSpec.key`."""
    return key.partition("\n")[0]


_in_container: RunningApp | None = None
_running_here: list[RunningApp] = []


def enter_container_app(running: RunningApp | None) -> None:
    """Functions called from this container's code belong to this app (the runtime calls it once). None: it is no container."""
    global _in_container
    _in_container = running


def begins_here(running: RunningApp) -> None:
    """This process has begun a run."""
    _running_here.append(running)


def ends_here(running: RunningApp) -> None:
    """It is over."""
    _running_here.remove(running)


def container_app() -> RunningApp | None:
    """The app whose container this is."""
    return _in_container


def running_with(app_id: str, spec: FunctionSpec) -> RunningApp | None:
    """The app of this id, if it runs here, or else the last to begin that has the function."""
    latest = list(reversed(_running_here))
    found = [each for each in latest if each.app_id == app_id] or [each for each in latest if each.has(spec)]
    return found[0] if found else None


def apps_in(app_id: str) -> list[object]:
    """The apps that take part in the run of this id, if that was begun here."""
    return [app for each in _running_here if each.app_id == app_id for app in each.apps]


def find_running(app: HasRunning, function: str) -> RunningApp:
    """The running app to call a function on. Raises `ExecutionError` saying how to get one."""
    running = app.running or _in_container
    if running is None:
        for run in _running_here:
            if app in run.included():
                raise ExecutionError(
                    f"function {function!r} was called, but its app was included in {run.name!r} after that had started. "
                    "Have `app.include(...)` before `app.run()`."
                )
        raise ExecutionError(f"function {function!r} was called, but its app is not running. {_how_to_get_one()}")
    return running


def _how_to_get_one() -> str:
    multiprocessing = sys.modules.get("multiprocessing")
    if multiprocessing is not None and multiprocessing.parent_process() is not None:
        return (
            "A process of multiprocessing's knows of it if it is forked inside `with app.run():`; use "
            '`multiprocessing.get_context("fork")`, or call functions in the parent.'
        )
    return "Call it inside `with app.run():`, or start the program with `motet run FILE`."


def any_running() -> RunningApp | None:
    """A running app, for questions that any connection of this process can answer: the container's, or the last to begin."""
    return _in_container or (_running_here[-1] if _running_here else None)
