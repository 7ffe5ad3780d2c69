"""Which version a call goes to: names are looked up when its first message comes."""

from __future__ import annotations

from dataclasses import dataclass

from motet.errors import InvalidError, NotFoundError
from motet.model.function import FunctionVariant
from motet.server.apps.catalogue import Catalogue, ServedApp
from motet.server.deployments.aliases import PREFIX, Alias, labels


@dataclass(frozen=True, slots=True)
class NamedVersion:
    """A version that can be called, with its functions' ids by label."""

    app: ServedApp
    ids: dict[str, str]

    @classmethod
    def of(cls, app: ServedApp) -> NamedVersion:
        """Of an app that is in the catalogue."""
        by_spec = {id(function): function_id for function_id, function in app.declared.items()}
        return cls(app, {label: by_spec[id(function)] for label, function in labels(app.spec).items()})


class Names:
    """The versions that serve, by name and number, and the one of each name that gets its calls."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._versions: dict[tuple[str, int], NamedVersion] = {}
        """By name and number; number 0 is the one that has the name."""
        self._variants: dict[str, tuple[Alias, FunctionVariant]] = {}
        self._resolved: dict[str, str] = {}

    # --- versions come and go -----------------------------------------------------------------------------------------

    def serve(self, name: str, version: int, app: ServedApp) -> None:
        """A version can be called by its number from now on."""
        self._versions[name, version] = NamedVersion.of(app)

    def move(self, name: str, version: int) -> None:
        """A version that can be called has the name from now on."""
        self._versions[name, 0] = self._versions[name, version]
        self._forget_resolved(name)

    def withdraw(self, name: str, version: int) -> None:
        """A version takes no more calls, and has the name no more if it had it. Idempotent."""
        served = self._versions.pop((name, version), None)
        if served is not None and self._versions.get((name, 0)) is served:
            del self._versions[name, 0]
        self._forget_resolved(name)

    def _forget_resolved(self, name: str) -> None:
        for function_id in [each for each in self._resolved if _name_in(each) == name]:
            del self._resolved[function_id]

    def holder(self, name: str) -> NamedVersion | None:
        """The version that has a name."""
        return self._versions.get((name, 0))

    # --- ids ----------------------------------------------------------------------------------------------------------

    def resolve(self, function_id: str) -> str:
        """The function that an id means now: itself, unless it is an alias. Raises `NotFoundError`."""
        if not function_id.startswith(PREFIX):
            return function_id
        found = self._resolved.get(function_id)
        if found is None or not self._catalogue.knows(found):
            found = self._resolved[function_id] = self._look_up(function_id)
        return found

    def _look_up(self, function_id: str) -> str:
        if (varied := self._variants.get(function_id)) is not None:
            alias, variant = varied
            return self._catalogue.bind(self.find(alias), variant)
        read = Alias.read(function_id)
        if read is None:
            raise NotFoundError(f"no function {function_id} is deployed on this server")
        return self.find(read)

    def find(self, alias: Alias) -> str:
        """The declared function that an alias means now. Raises `NotFoundError`."""
        served = self._versions.get((alias.name, alias.version))
        if served is None:
            which = (
                f"version {alias.version} of {alias.name!r} does not serve" if alias.version else _not_deployed(alias)
            )
            raise NotFoundError(which)
        found = served.ids.get(alias.label)
        if found is None:
            known = ", ".join(sorted(served.ids)) or "none"
            raise NotFoundError(
                f"app {alias.name!r} has no function {alias.label!r} as it is deployed now (it has: {known})"
            )
        return found

    def bind(self, function_id: str, variant: FunctionVariant, again: str = "") -> str:
        """The alias of a variant of what an alias means, or the id of a variant of any other function; `again`: the id that
        this had on a server before this one. Raises `NotFoundError` and `InvalidError`."""
        if not function_id.startswith(PREFIX):
            return self._catalogue.bind(function_id, variant, again=again)
        alias = Alias.read(function_id)
        if alias is None or function_id in self._variants:
            raise InvalidError(f"{function_id} is not the id of a declared function")
        found = self._catalogue.bind(self.find(alias), variant)
        varied = alias.varied(variant)
        self._variants[varied] = (alias, variant)
        self._resolved[varied] = found
        return varied


def _name_in(function_id: str) -> str:
    alias = Alias.read(function_id)
    return "" if alias is None else alias.name


def _not_deployed(alias: Alias) -> str:
    return f"App {alias.name!r} is not deployed on this server."
