"""Which version a call goes to: names are looked up when its first message comes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from motet.errors import AlreadyExistsError, InvalidError, NotFoundError
from motet.model.function import FunctionVariant
from motet.model.outcome import NewInput
from motet.server.apps.catalogue import Catalogue, ServedApp
from motet.server.deployments.aliases import PREFIX, Alias, digest_of, labels, split_variant
from motet.server.deployments.register import not_deployed

MAX_VARIANTS = 10_000
"""Variants that are remembered for those who have their aliases; those that nobody has asked for go first."""
MAX_CALLS = 10_000
"""Calls of which it is known where they went, for those that get more inputs."""


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


class CallShares:
    """Gives so many of a hundred calls to one of two versions, spread as evenly as can be."""

    def __init__(self, version: int, percent: float, other: int) -> None:
        self.version = version
        self.other = other
        self.percent = percent
        self._owed = 50.0

    def next(self) -> int:
        """The version of the next call."""
        self._owed += self.percent
        if self._owed < 100:
            return self.other
        self._owed -= 100
        return self.version


class Names:
    """The versions that serve, by name and number, and the one of each name that gets its calls. `load` has an old version
    serve that is called by its number; None: there is no such version."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self.load: Callable[[str, int], ServedApp | None] = lambda name, version: None
        self._versions: dict[tuple[str, int], NamedVersion] = {}
        self._holders: dict[str, int] = {}
        self._shares: dict[str, CallShares] = {}
        self._variants: OrderedDict[str, tuple[FunctionVariant, bool]] = OrderedDict()
        """By digest: what changes, and whether only requests have asked for it."""
        self._resolved: dict[str, str] = {}
        self._calls: OrderedDict[str, str] = OrderedDict()

    # --- versions come and go -----------------------------------------------------------------------------------------

    def serve(self, name: str, version: int, app: ServedApp) -> None:
        """A version can be called by its number from now on."""
        self._versions[name, version] = NamedVersion.of(app)

    def move(self, name: str, version: int) -> None:
        """A version that can be called has the name from now on, alone."""
        self._holders[name] = version
        self._shares.pop(name, None)
        self._forget_resolved(name)

    def share(self, name: str, version: int, percent: float) -> None:
        """A version gets so much of the calls of a name, which another one has."""
        self._shares[name] = CallShares(version, percent, self._holders[name])

    def withdraw(self, name: str, version: int) -> None:
        """A version takes no more calls, and has the name no more if it had it. Idempotent."""
        self._versions.pop((name, version), None)
        if self._holders.get(name) == version:
            del self._holders[name]
        if (shares := self._shares.get(name)) is not None and version in (shares.version, shares.other):
            del self._shares[name]
        self._forget_resolved(name)

    def _forget_resolved(self, name: str) -> None:
        for function_id in [each for each in self._resolved if _name_in(each) == name]:
            del self._resolved[function_id]

    def holder(self, name: str) -> NamedVersion | None:
        """The version that has a name."""
        return self._versions.get((name, self._holders.get(name, 0)))

    # --- ids ----------------------------------------------------------------------------------------------------------

    def resolve(self, function_id: str) -> str:
        """The function that an id means now: itself, unless it is an alias; where two versions have a name, that of the older
        one. Raises `NotFoundError`."""
        if not function_id.startswith(PREFIX):
            return function_id
        found = self._resolved.get(function_id)
        if found is None or not self._catalogue.knows(found):
            found = self._look_up(function_id)
        return found

    def of_call(self, call_id: str, function_id: str, inputs: Sequence[NewInput], again: bool = False) -> str:
        """The function that these inputs of a call go to: further ones to where the first went, if that takes any; those that
        are submitted `again` to where they run already. Raises `NotFoundError`."""
        if not function_id.startswith(PREFIX):
            return function_id
        first = inputs[0].index if inputs else 0
        if again and (runs_in := self._catalogue.runs_in(call_id, first)) is not None:
            self._calls[call_id] = runs_in
            return runs_in
        if first and (known := self._calls.get(call_id)) is not None and self._catalogue.takes(known):
            return known
        found = self._calls[call_id] = self.resolve(self._shared(function_id) if self._shares else function_id)
        if len(self._calls) > MAX_CALLS:
            self._calls.popitem(last=False)
        return found

    def _shared(self, function_id: str) -> str:
        """The id of the version that this call goes to, where two have a name."""
        base, digest = split_variant(function_id)
        alias = Alias.read(base)
        if alias is None or alias.version or (shares := self._shares.get(alias.name)) is None:
            return function_id
        pinned = replace(alias, version=shares.next()).function_id
        return f"{pinned}#{digest}" if digest else pinned

    def _look_up(self, function_id: str) -> str:
        base, digest = split_variant(function_id)
        alias = Alias.read(base)
        if alias is None or (digest and digest not in self._variants):
            raise NotFoundError(f"no function {function_id} is deployed on this server; look it up again by its name")
        found = self.find(alias)
        if digest:
            variant, by_request = self._variants[digest]
            self._variants.move_to_end(digest)
            found = self._variant_of(found, variant, digest, by_request)
        self._resolved[function_id] = found
        return found

    def find(self, alias: Alias) -> str:
        """The declared function that an alias means now. Raises `NotFoundError`."""
        number = alias.version or self._holders.get(alias.name, 0)
        served = self._versions.get((alias.name, number))
        if served is None and alias.version and (app := self.load(alias.name, number)) is not None:
            served = self._versions[alias.name, number] = NamedVersion.of(app)
        if served is None:
            if not alias.version:
                raise not_deployed(alias.name, self._holders)
            raise NotFoundError(f"version {alias.version} of {alias.name!r} does not serve")
        found = served.ids.get(alias.label)
        if found is None:
            known = ", ".join(sorted(served.ids)) or "none"
            raise NotFoundError(
                f"app {alias.name!r} has no function {alias.label!r} as it is deployed now (it has: {known})"
            )
        return found

    def bind(self, function_id: str, variant: FunctionVariant, again: str = "", *, by_request: bool = False) -> str:
        """The alias of a variant of what an alias means, or the id of a variant of any other function; `again`: the id that
        this had on a server before this one. Raises `NotFoundError`, `InvalidError`, and what `Catalogue.bind` raises."""
        if not function_id.startswith(PREFIX):
            return self._catalogue.bind(function_id, variant, again=again, by_request=by_request)
        alias = Alias.read(function_id)
        if alias is None or split_variant(function_id)[1]:
            raise InvalidError(f"{function_id} is not the id of a declared function")
        digest = digest_of(variant)
        found = self._variant_of(self.find(alias), variant, digest, by_request)
        known = self._variants.get(digest)
        self._variants[digest] = variant, by_request and (known is None or known[1])
        self._variants.move_to_end(digest)
        if len(self._variants) > MAX_VARIANTS:
            self._variants.popitem(last=False)
        varied = f"{function_id}#{digest}"
        self._resolved[varied] = found
        return varied

    def _variant_of(self, function_id: str, variant: FunctionVariant, digest: str, by_request: bool) -> str:
        """A variant of a function, whose id is the same on the server after this one: its containers are found by that."""
        try:
            again = f"{function_id}v{digest}"
            return self._catalogue.bind(function_id, variant, by_request=by_request, again=again)
        except AlreadyExistsError:  # that one is just being closed
            return self._catalogue.bind(function_id, variant, by_request=by_request)

    def variants_of(self, name: str) -> list[tuple[str, FunctionVariant, str]]:
        """Variants of a name that were called lately: label, what changes, and the id that they have now."""
        found = []
        for alias_id, function_id in self._resolved.items():
            base, digest = split_variant(alias_id)
            alias = Alias.read(base)
            if digest and digest in self._variants and alias is not None and (alias.name, alias.version) == (name, 0):
                found.append((alias.label, self._variants[digest][0], function_id))
        return found


def _name_in(function_id: str) -> str:
    alias = Alias.read(function_id)
    return "" if alias is None else alias.name
