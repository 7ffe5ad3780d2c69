"""How long apps are here: what each lives by, and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from motet.core import events as e
from motet.core.commands import ReportAppStopped
from motet.errors import InvalidError, NotFoundError
from motet.model.function import AppSpec
from motet.model.quota import NO_QUOTA, Quota
from motet.server.access.rights import Right
from motet.server.apps.catalogue import Catalogue, ServedApp
from motet.server.apps.web_owner import WebOwner
from motet.server.driver import Driver
from motet.server.lines import Lines
from motet.wire.client_messages import OutputLines


class Owner(Protocol):
    """The client session an app belongs to: it is shown the app's lines, and the app ends with it."""

    principal: int
    rights: Right

    def show_lines(self, lines: OutputLines) -> None: ...


class Web(Protocol):
    """What makes web functions reachable."""

    def open(self, app: ServedApp, owner: WebOwner) -> list[tuple[str, str, str]]:
        """Take requests for the app's web functions; their URLs, by function id and method; `owner`: whose it is. Raises
        `ServiceError` and `InvalidError`."""
        ...

    def close(self, app_id: str) -> None:
        """Take no more requests for this app."""
        ...


@dataclass(slots=True)
class Life:
    """What an app lives by. `principal`: whom its containers act for, who has these rights. `stopping`: it ends; whom to tell
    then."""

    principal: int
    rights: Right
    stopping: bool = field(default=False, kw_only=True)
    on_stopped: list[Callable[[], None]] = field(default_factory=list, kw_only=True)
    on_stopping: list[Callable[[], None]] = field(default_factory=list, kw_only=True)
    """Whom to tell when it begins to end."""


@dataclass(slots=True)
class WhileConnected(Life):
    """As long as its owner is connected, and does not stop it."""

    owner: Owner


@dataclass(slots=True)
class UntilStopped(Life):
    """Whoever began it may have gone: until somebody stops it."""


@dataclass(slots=True)
class UntilReplaced(Life):
    """Of a version of a deployed app: until another one has its name, and it has done what it accepted. Its spawned calls are
    kept as those of `name`."""

    name: str


class Lifetimes:
    """Begins apps and ends them. `on_stopped` is told of each program's that has ended, before those who asked for it. `quota`:
    what each may have."""

    def __init__(
        self,
        driver: Driver,
        catalogue: Catalogue,
        lines: Lines,
        web: Web,
        stop_grace: float,
        on_stopped: Callable[[str], None],
        quota: Quota = NO_QUOTA,
    ) -> None:
        self._quota = quota
        self._driver = driver
        self._catalogue = catalogue
        self._lines = lines
        self._web = web
        self._stop_grace = stop_grace
        self._on_stopped = on_stopped
        self._lives: dict[str, Life] = {}
        """By app."""

    def start(
        self,
        app_id: str,
        spec: AppSpec,
        owner: Owner,
        *,
        detached: bool = False,
        functions: Sequence[tuple[str, str, str]] = (),
    ) -> ServedApp:
        """Begin an app, which ends with its owner's connection unless it is `detached`. `functions`: the ids that some had on a
        server before this one. One that is `detached`, and of this owner, may be here again already. Raises
        `AlreadyExistsError`, `RequestSizeError`, and what `Web.open` raises."""
        if detached and (found := self._is_here_again(app_id, owner)) is not None:
            return found
        app = self._catalogue.new_app(app_id, spec, is_detached=detached, functions=functions)
        # First: if its requests cannot be taken there is no app, and nothing to undo.
        app.web_urls.extend(self._web.open(app, WebOwner(owner.principal)))
        life = UntilStopped(owner.principal, owner.rights) if detached else None
        self._lives[app_id] = life or WhileConnected(owner.principal, owner.rights, owner)
        # Before its functions are added: containers begin to start with them.
        self._lines.show(app_id, owner.show_lines)
        self._own(app, self._lives[app_id])
        self._catalogue.add(app)
        return app

    def _is_here_again(self, app_id: str, owner: Owner) -> ServedApp | None:
        life = self._lives.get(app_id)
        if not isinstance(life, UntilStopped) or life.stopping or life.principal != owner.principal:
            return None
        self._lines.show(app_id, owner.show_lines)
        return self._catalogue.find(app_id)

    def start_again(
        self, app_id: str, spec: AppSpec, life: UntilStopped, functions: Sequence[tuple[str, str, str]]
    ) -> None:
        """Begin a detached app that a server before this one had, with the ids of its functions. Raises as `start`."""
        app = self._catalogue.new_app(app_id, spec, is_detached=True, functions=functions)
        app.web_urls.extend(self._web.open(app, WebOwner(life.principal)))
        self._lives[app_id] = life
        self._own(app, life)
        self._catalogue.add(app)

    def deploy(self, app: ServedApp, life: UntilReplaced, *, held: bool = False) -> None:
        """Begin a version of a deployed app; its containers start at once unless it is `held`."""
        self._lives[app.app_id] = life
        self._own(app, life)
        self._catalogue.add(app, held=held)

    def _own(self, app: ServedApp, life: Life) -> None:
        """Say whose it is, before it has functions."""
        self._driver.take(e.AppOwned(app.app_id, f"the app {app.spec.name!r}", life.principal, self._quota))

    def retire(self, app_id: str, then: Callable[[], None] = lambda: None) -> None:
        """A version has been replaced: it ends what it accepted, and goes; `then` is called when its last container is gone."""
        life = self._find(app_id)
        life.on_stopped.append(then)
        self._driver.take(e.AppRetired(app_id, self._stop_grace))

    def when_stopped(self, app_id: str, then: Callable[[], None]) -> None:
        """Have it called when the app's last container is gone. Raises `NotFoundError`."""
        self._find(app_id).on_stopped.append(then)

    def when_stopping(self, app_id: str, then: Callable[[], None]) -> None:
        """Have it called when the app is told to stop. Raises `NotFoundError`, also for one that was told already."""
        life = self._find(app_id)
        if life.stopping:
            raise NotFoundError(f"app {app_id} is stopping")
        life.on_stopping.append(then)

    def life_of(self, app_id: str) -> Life:
        """What an app lives by. Raises `NotFoundError`."""
        return self._find(app_id)

    def calls_of(self, app_id: str) -> str:
        """As whose its spawned calls are kept: a deployed app's are there for longer than the version that took them."""
        life = self._lives.get(app_id)
        return life.name if isinstance(life, UntilReplaced) else app_id

    def check_owner(self, app_id: str, principal: int | None) -> None:
        """Raise `InvalidError` if an app that runs is another principal's; None may reach for any. Deployed apps are for all
        who have the right to what they ask."""
        life = self._lives.get(app_id)
        if isinstance(life, WhileConnected | UntilStopped) and principal not in (None, life.principal):
            raise InvalidError(f"app {app_id} belongs to another client of this server")

    def check_is_no_version(self, app_id: str) -> None:
        """Raise `InvalidError` if an app is a version of a deployed one: what has a name is stopped by it."""
        life = self._lives.get(app_id)
        if isinstance(life, UntilReplaced):
            raise InvalidError(
                f"app {app_id} is a version of {life.name!r}, which is deployed: `motet app stop {life.name}` stops all of it"
            )

    # --- the end ------------------------------------------------------------------------------------------------------

    def stop(self, app_id: str, then: Callable[[], None] = lambda: None, *, leaves_spawned: bool = False) -> None:
        """Stop an app; `then` is called when its last container is gone. `leaves_spawned`: see `AppStopped`. Raises
        `NotFoundError`; idempotent meanwhile."""
        life = self._find(app_id)
        life.on_stopped.append(then)
        if not life.stopping:
            life.stopping = (
                True  # before the engine hears of it: an app without containers has stopped within that call
            )
            self._web.close(app_id)
            for each in life.on_stopping:
                each()
            self._driver.take(e.AppStopped(app_id, self._stop_grace, leaves_spawned))

    def stopped(self, command: ReportAppStopped) -> None:
        """The engine says that an app's last container is gone."""
        app_id = command.app_id
        life = self._lives.pop(app_id)
        self._catalogue.remove(app_id)
        self._lines.forget(app_id)
        if not isinstance(life, UntilReplaced):
            self._on_stopped(app_id)
        for then in life.on_stopped:
            then()

    def disconnected(self, owner: Owner) -> None:
        """A client is gone: its apps stop."""
        for app_id in [
            app_id for app_id, life in self._lives.items() if isinstance(life, WhileConnected) and life.owner is owner
        ]:
            self.stop(app_id)
        for app_id, life in self._lives.items():
            if isinstance(life, UntilStopped):
                self._lines.leave(app_id, owner.show_lines)

    def stop_all(self, then: Callable[[], None], *, leaves_spawned: bool = False) -> None:
        """Stop every app; `then` is called when the last is gone. `leaves_spawned`: see `AppStopped`."""
        left = len(self._lives)
        if not left:
            then()
            return

        def one_less() -> None:
            nonlocal left
            left -= 1
            if not left:
                then()

        for app_id in list(self._lives):
            self.stop(app_id, one_less, leaves_spawned=leaves_spawned)

    def _find(self, app_id: str) -> Life:
        life = self._lives.get(app_id)
        if life is None:
            raise NotFoundError(f"no app {app_id} runs on this server")
        return life
