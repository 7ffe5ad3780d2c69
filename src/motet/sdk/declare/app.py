"""`motet.App`: a named set of functions, and the decorators that put functions into it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, ClassVar, Never, ParamSpec, Protocol, TypeVar, Unpack, cast, overload

from motet.client.dual import Dual, Steps, dual
from motet.client.running_app import RunningApp, apps_in, container_app
from motet.context.main_module import may_be_declared_again
from motet.errors import InvalidError
from motet.model.function import AppSpec, FunctionSpec
from motet.sdk.call.function import Function
from motet.sdk.call.handle import Handle
from motet.sdk.call.logs import Logs
from motet.sdk.declare.app_key import app_key
from motet.sdk.declare.app_spec import app_spec
from motet.sdk.declare.cls import Cls
from motet.sdk.declare.declaration import Declared, declare_class, declare_function
from motet.sdk.declare.declarations import Declarations, warn_of_collision
from motet.sdk.declare.deployed_handles import Registered, deployed_handles
from motet.sdk.declare.entrypoint import LocalEntrypoint
from motet.sdk.options.checks import check_name, refuse_positional, type_name
from motet.sdk.options.image import Image
from motet.sdk.options.keyword import Given, Keyword, read
from motet.sdk.options.keywords import CLASS, FUNCTION, ClassOptions, FunctionOptions
from motet.sdk.options.secret import Secret, merged_env
from motet.sdk.run.app_run import AppRun
from motet.sdk.run.looking_up import lookup
from motet.sdk.run.runs import Runs
from motet.wire.by_value import ByValue

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class FunctionDecorator(Protocol):
    """What `@app.function()` is to a type checker: calls of an asynchronous function give what it returns."""

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> Function[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Function[P, R]: ...


class App(Handle):
    """A set of functions that run together: `app = motet.App("name")`, then `@app.function()`, then `with app.run():`.

    `image` and `secrets` are the defaults of its functions. Raises `InvalidError` for arguments of the wrong type.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        tags: Mapping[str, str] | None = None,
        image: Image | None = None,
        secrets: Sequence[Secret] = (),
        volumes: Mapping[Any, Any] | None = None,
        include_source: bool | None = True,
    ) -> None:
        if name is not None and not isinstance(name, str):
            raise InvalidError("Invalid value for `name`: Must be string.")
        merged_env(secrets)
        read("App", {"volumes": volumes, "include_source": include_source}, CLASS)
        self._name = None if name is None else check_name("the name of an app", name)
        self.key = app_key(self._name or "")
        """Tells it from other apps of the program, also in containers."""
        self._tags = _checked_tags(tags)
        self._image = _checked_image(image)
        self._secrets = tuple(secrets)
        self._declarations = Declarations()
        self._entrypoints: dict[str, LocalEntrypoint[..., Any]] = {}
        self._included: list[App] = []
        self._looked_up: dict[str, Registered] = {}
        self.runs: Runs = Runs()
        self.own_run: RunningApp | None = None
        """What `run` began; None for an app that others run, which include it."""
        self.deployed: RunningApp | None = None
        """What `deploy` made last."""

    @property
    def running(self) -> RunningApp | None:
        """The run that its functions are called in now; None while it does not run."""
        return self.runs.current

    @property
    def name(self) -> str | None:
        """The name it was made with."""
        return self._name

    @property
    def image(self) -> Image | None:
        """The image of functions that are declared from now on without one of their own."""
        return self._image

    @image.setter
    def image(self, image: Image | None) -> None:
        self._image = _checked_image(image)

    @property
    def description(self) -> str:
        """Its name, or that of the program."""
        return self._name or os.path.basename(sys.argv[0] if sys.argv else "") or "app"

    @property
    def app_id(self) -> str | None:
        """`ap-...` while it runs, else None."""
        return None if self.running is None else self.running.app_id

    @property
    def logs(self) -> Logs:
        """What its functions write and have written since it runs. Raises `InvalidError` when it does not run."""
        running = self.running
        if running is None:
            raise InvalidError("`app.logs` requires a running app; use it inside `with app.run():`.")
        return Logs(running.connected, app=running.app_id)

    # --- declaring ---

    def function(self, *positional: Never, **options: Unpack[FunctionOptions]) -> FunctionDecorator:
        """Make a function run in containers: `f.remote(x)` then calls it there. Keywords as in Modal; see
        `FunctionOptions`. Raises `InvalidError` for what cannot work."""
        if positional and isinstance(positional[0], Image):
            raise InvalidError("`image` needs to be a keyword argument: `@app.function(image=image)`.")
        refuse_positional(positional, "@app.function()")
        given = self._read("App.function", options, FUNCTION)

        def decorate(function: object, /) -> Function[..., Any]:
            declared = declare_function(self, function, given)
            return cast("Function[..., Any]", self._add(declared))

        return cast(FunctionDecorator, decorate)

    def cls(self, *positional: Never, **options: Unpack[ClassOptions]) -> Callable[[type[T]], Cls[T]]:
        """Make a class's `@motet.method()`s run in containers, whose objects live as long as they do. Keywords as in Modal;
        see `ClassOptions`. Raises `InvalidError` for what cannot work."""
        refuse_positional(positional, "@app.cls()")
        given = self._read("App.cls", options, CLASS)

        def decorate(user_cls: type[T]) -> Cls[T]:
            return cast("Cls[T]", self._add(declare_class(self, user_cls, given)))

        return decorate

    def local_entrypoint(
        self, *positional: Never, name: str | None = None
    ) -> Callable[[Callable[P, R]], LocalEntrypoint[P, R]]:
        """Make a function the one that `motet run FILE` calls, in the client. Raises `InvalidError` if the name is taken."""
        refuse_positional(positional, "@app.local_entrypoint()")
        if name is not None and not isinstance(name, str):
            raise InvalidError("Invalid value for `name`: Must be string.")

        def decorate(raw: Callable[P, R]) -> LocalEntrypoint[P, R]:
            if isinstance(raw, type) or not hasattr(raw, "__qualname__"):
                raise InvalidError(f"`@app.local_entrypoint()` must be used on a function, not on {raw!r}")
            entrypoint = LocalEntrypoint(check_name("the name of an entrypoint", name or raw.__qualname__), raw)
            if entrypoint.name in self._entrypoints and not may_be_declared_again(raw):
                raise InvalidError(
                    f"Duplicate local entrypoint name: {entrypoint.name}. Local entrypoint names must be unique."
                )
            self._entrypoints[entrypoint.name] = entrypoint
            return entrypoint

        return decorate

    def include(self, other_app: App, inherit_tags: bool = True) -> App:
        """Have the functions of another app run as part of this one; gives this app. Their names should differ."""
        if not isinstance(other_app, App):
            raise InvalidError(f"`app.include` takes a motet.App, not {type_name(other_app)}")
        for name, theirs in other_app._all_declared().items():
            if (mine := self._all_declared().get(name)) is not None and mine is not theirs:
                warn_of_collision(mine, theirs)
        if other_app is not self and other_app not in self._included:
            self._included.append(other_app)
        if inherit_tags:
            self._tags = {**other_app._tags, **self._tags}
        return self

    def _read(self, where: str, options: Mapping[str, Any], table: Mapping[str, Keyword]) -> Given:
        given = read(where, options, table)
        given.put_below("env", merged_env(self._secrets))
        if self._image is not None:
            given.put_below("image", self._image.spec)
        return given

    def _add(self, declared: Declared) -> Function[..., Any] | Cls[Any]:
        self._declarations.add(declared)
        return declared.handle

    def successor_of(self, spec: FunctionSpec) -> str | None:
        """Where the function is that took the name of this declaration; None if it still has it."""
        return self._declarations.successor_of(spec)

    # --- looking ---

    @property
    def included(self) -> tuple[App, ...]:
        """The apps brought in by `include`, and those they brought in, each once."""
        found: list[App] = []
        waiting = list(self._included)
        while waiting:
            app = waiting.pop(0)
            if app is not self and app not in found:
                found.append(app)
                waiting += app._included
        return tuple(found)

    def _all_declared(self) -> dict[str, Declared]:
        merged: dict[str, Declared] = {}
        for app in (self, *self.included):
            for name, declared in app._declarations.by_name.items():
                merged.setdefault(name, declared)
        return merged

    def _registered(self) -> dict[str, Registered]:
        declared = {name: Registered(it.handle, it.spec) for name, it in self._all_declared().items()}
        return {**self._looked_up, **declared}

    @property
    def registered_functions(self) -> dict[str, Function[..., Any]]:
        """Its functions by name, with those of included apps; of an app that was looked up, those it had then."""
        return {name: it.handle for name, it in self._registered().items() if isinstance(it.handle, Function)}

    @property
    def registered_classes(self) -> dict[str, Cls[Any]]:
        """Its classes by name, as `registered_functions`."""
        return {name: it.handle for name, it in self._registered().items() if isinstance(it.handle, Cls)}

    @property
    def registered_web_endpoints(self) -> list[str]:
        """Names of its functions and methods that have a URL: "f", "Class.method"."""
        return [name for it in self._registered().values() for name in it.web_endpoints]

    @property
    def registered_entrypoints(self) -> dict[str, LocalEntrypoint[..., Any]]:
        """Its local entrypoints by name."""
        return dict(self._entrypoints)

    def get_tags(self) -> dict[str, str]:
        """Its tags."""
        return dict(self._tags)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Replace its tags."""
        self._tags = _checked_tags(tags)

    # --- running ---

    def spec(self) -> AppSpec:
        """Everything a server must know of it, included apps' functions too, as it is now.

        Raises `SerializationError` for a function that travels by value and cannot.
        """
        return self.described()[0]

    def described(self, *, with_interfaces: bool = False) -> tuple[AppSpec, ByValue]:
        """Its `spec()`, and what of this process its containers cannot import. `with_interfaces`: callers in other languages
        are told what functions take."""
        return app_spec(self.description, list(self._merged().values()), with_interfaces=with_interfaces)

    def declared_specs(self) -> list[FunctionSpec]:
        """The declarations of `spec` as handles know them, without definitions."""
        return [declared.spec for declared in self._merged().values()]

    def _merged(self) -> dict[tuple[str, str], Declared]:
        merged: dict[tuple[str, str], Declared] = {}
        for app in (self, *self.included):
            for declared in app._declarations:
                merged.setdefault((declared.spec.app_key, declared.spec.key), declared)
        return merged

    def run(
        self,
        *,
        name: str | None = None,
        client: object = None,
        detach: bool = False,
        interactive: bool = False,
        environment_name: str | None = None,
        show_progress: bool | None = None,
        dashboard: bool = False,
    ) -> AppRun[App]:
        """`with app.run():` or `async with app.run():`. In the block its functions can be called; leaving it cancels what
        still runs and stops all containers. `detach`: it goes on, on a server that stays, until `motet app stop`; calls that
        this program waits for end with the program, and spawned ones go on. `dashboard`: serve pages that show it, and print
        where."""
        return AppRun(self, name=name, detach=detach, dashboard=dashboard)

    @dual
    def deploy(
        self,
        *,
        name: str | None = None,
        environment_name: str | None = None,
        tag: str = "",
        client: object = None,
        strategy: str = "rolling",
        percent: float = 10.0,
        rollback_on: str = "",
        on_failure: str = "",
        on_failure_secret: str = "",
    ) -> Steps[App]:
        """Leave it with a server that stays, as the next version of what has its name there; gives this app, whose functions
        are called there from now on. `tag`: whatever tells this version from others. `percent`, `rollback_on`: of a canary.
        `on_failure`: an address to which JSON is posted when an input of a spawned call has failed for good, signed with
        `on_failure_secret` (whsec_... of Standard Webhooks; several with spaces between them).

        Raises `ConnectionError` without such a server, and why the version could not take over: then the one before goes on.
        """
        from motet.sdk.run.deploying import HowToDeploy, deploy  # late: most programs deploy nothing

        of_canary: Any = {"percent": percent, "rollback_on": rollback_on}
        of_failures: Any = {"on_failure": on_failure, "on_failure_secret": on_failure_secret}
        yield from deploy(self, HowToDeploy(name=name, tag=tag, strategy=strategy, **of_canary, **of_failures))
        return self

    lookup: ClassVar[Dual[..., App]]
    """`App.lookup(name, create_if_missing=False)`: a deployed app, for programs that did not deploy it. Raises `NotFoundError`
    if there is none; with `create_if_missing`, one without functions is deployed."""

    def __getstate__(self) -> dict[str, Any]:
        # An app travels along with functions that mention it, as a name: its other functions have pickles of their own.
        kept = {"_name": self._name, "key": self.key, "_tags": self._tags, "_image": self._image, "_secrets": ()}
        empty: dict[str, Any] = {"_declarations": Declarations(), "_entrypoints": {}, "_included": [], "_looked_up": {}}
        return {**kept, **empty, "runs": Runs(), "own_run": None, "deployed": None}

    def __reduce__(self) -> tuple[Any, ...]:
        running = self.running or container_app()
        return (_by_name, ("" if running is None else running.app_id, self.__getstate__()))

    def __repr__(self) -> str:
        state = "declared" if self.app_id is None else f"running as {self.app_id}"
        return f"<motet.App {self._name or '(unnamed)'}: {state}, {len(self._declarations)} functions>"


def _deployed_app(name: str, specs: Sequence[FunctionSpec]) -> App:
    app = App(name)
    app._looked_up = deployed_handles(name, specs)
    return app


App.lookup = Dual(lookup(_deployed_app), "App.lookup")


def _checked_image(image: Any) -> Image | None:
    if image is not None and not isinstance(image, Image):
        raise InvalidError("`image=` has to be a `motet.Image` object")
    return image


def _by_name(app_id: str, state: dict[str, Any]) -> App:
    """An app that was pickled: itself where it runs, a name of it elsewhere."""
    for app in apps_in(app_id):
        if isinstance(app, App) and app.key == state["key"]:
            return app
    app = object.__new__(App)
    vars(app).update(state)
    return app


def _checked_tags(tags: Any) -> dict[str, str]:
    tags = {} if tags is None else tags
    if not isinstance(tags, Mapping) or not all(isinstance(it, str) for pair in tags.items() for it in pair):
        raise InvalidError(f"`tags` has to be a dict[str, str], got {tags!r}")
    return {check_name("a tag", name): check_name("the value of a tag", value) for name, value in tags.items()}
