"""Which function a request is for: by host name, or by the first part of its path."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from motet.errors import InvalidError
from motet.model.function import FunctionSpec, MethodSpec
from motet.model.web import WebSpec
from motet.server.apps.web_owner import NOBODY, WebOwner

MAX_LABEL = 63
"""As many characters as a part of a host name may have."""
DEV = "-dev"
"""At the end of the label of a program's function, where a deployed one has the label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A web function of a running app."""

    app_id: str
    function_id: str
    function: FunctionSpec
    method: str
    label: str
    custom_domains: tuple[str, ...] = ()
    requires_proxy_auth: bool = False
    redeliver_non_idempotent: bool = False
    owner: WebOwner = NOBODY
    """Of a deployed app, `app_id` is the name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteMatch:
    """What a request is for. `root_path` is the beginning of its path that belongs to the function's URL."""

    route: Route
    root_path: str


def label_for(app_name: str, function: FunctionSpec, method: MethodSpec, web: WebSpec) -> str:
    """The label of a web function: its own, or made of names, of at most 63 characters."""
    if web.label is not None:
        return web.label
    name = "-".join(filter(None, (app_name, function.name, method.name)))
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "app"
    if len(slug) > MAX_LABEL:
        digest = hashlib.sha256(slug.encode()).hexdigest()[:6]
        slug = f"{slug[: MAX_LABEL - 7]}-{digest}"
    return slug


class Routes:
    """All web functions by label and custom domain. A newer app takes a label over from an older one until it stops, but no
    program does from a deployed app."""

    def __init__(self, url: str | None = None) -> None:
        """`url`: what URLs are made of; with {label} in its host, functions are found by that."""
        self._hosts = [("", ".localhost")]
        host = urlsplit(url or "").netloc.lower().rpartition("@")[2].partition(":")[0]
        if "{label}" in host:
            before, _, after = host.partition("{label}")
            self._hosts.append((before, after))
        self._by_label: dict[str, list[Route]] = {}
        self._by_domain: dict[str, list[Route]] = {}

    def add(
        self, app_id: str, app_name: str, functions: dict[str, FunctionSpec], owner: WebOwner = NOBODY
    ) -> list[Route]:
        """Routes of a program's app, under labels of its own where deployed apps have those. Raises `InvalidError` if two have
        one label, or one has that of another's app."""
        routes = [
            replace(route, label=f"{route.label[: MAX_LABEL - len(DEV)]}{DEV}")
            if not owner.deployed and self._deployer(route.label)
            else route
            for route in self.made(app_id, app_name, functions, owner)
        ]
        for route in routes:
            self._check_owner(route)
        self._put(routes)
        return routes

    def check(self, name: str, routes: list[Route]) -> None:
        """Raise `InvalidError` if a deployed app of another name has one of these labels."""
        for route in routes:
            other = self._deployer(route.label)
            if other is not None and other.app_id != name:
                raise InvalidError(
                    f"{route.function.name} has the web label {route.label!r}, which {other.function.name} of the deployed app "
                    f"{other.app_id!r} has: give one of them a `label=` of its own"
                )
            self._check_owner(route)

    def replace(self, name: str, routes: list[Route]) -> None:
        """A deployed app has these from now on, and none of those that it had."""
        self.remove(name)
        self._put(routes)

    def _deployer(self, label: str) -> Route | None:
        return next((route for route in self._by_label.get(label, ()) if route.owner.deployed), None)

    def made(self, app_id: str, app_name: str, functions: dict[str, FunctionSpec], owner: WebOwner) -> list[Route]:
        """The routes of an app's web functions (`functions` by id). Raises `InvalidError` if two have one label."""
        routes: dict[str, Route] = {}
        for function_id, function in functions.items():
            for method in function.methods:
                if method.web is not None:
                    label = label_for(app_name, function, method, method.web)
                    if (other := routes.get(label)) is not None:
                        raise InvalidError(
                            f"{function.name} and {other.function.name} have the same web label {label!r}: "
                            "give one of them a `label=` of its own"
                        )
                    routes[label] = Route(
                        app_id=app_id,
                        function_id=function_id,
                        function=function,
                        method=method.name,
                        label=label,
                        custom_domains=method.web.custom_domains,
                        requires_proxy_auth=method.web.requires_proxy_auth,
                        redeliver_non_idempotent=method.web.redeliver_non_idempotent,
                        owner=owner,
                    )
        return list(routes.values())

    def _put(self, routes: list[Route]) -> None:
        for route in routes:
            self._by_label.setdefault(route.label, []).append(route)
            for domain in route.custom_domains:
                self._by_domain.setdefault(domain.lower(), []).append(route)

    def _check_owner(self, route: Route) -> None:
        """Raise `InvalidError` if another's app has this label or one of these domains."""
        held = [("label", route.label, self._by_label.get(route.label, ()))]
        held += [("domain", each, self._by_domain.get(each.lower(), ())) for each in route.custom_domains]
        for what, name, others in held:
            for other in others:
                if not other.owner.gives_way_to(route.owner):
                    raise InvalidError(
                        f"the web {what} {name!r} of {route.function.name} is that of {other.function.name}, which is another "
                        f"principal's: take another {what}, or have that one stop"
                    )

    def remove(self, app_id: str) -> None:
        """The app takes no more requests."""
        for table in (self._by_label, self._by_domain):
            for key in list(table):
                table[key] = [route for route in table[key] if route.app_id != app_id]
                if not table[key]:
                    del table[key]

    def has(self, label: str) -> bool:
        """Whether any running app has a function with this label."""
        return label in self._by_label

    def labelled(self, label: str) -> RouteMatch | None:
        """The function with this label, at its root."""
        return _place(self._by_label.get(label), "")

    def find(self, host: str, path: str, otherwise: str | None = None) -> RouteMatch | None:
        """The function that a request is for: `<label>.localhost`, hosts made as `url` says and custom domains name it by
        host, paths by label. What names nobody is for the label `otherwise`."""
        name = host.rpartition(":")[0] if re.search(r":\d+$", host) else host
        name = name.lower().rstrip(".")
        for before, after in self._hosts:
            if name.startswith(before) and name.endswith(after) and len(name) > len(before) + len(after):
                return self.labelled(name[len(before) : -len(after) or None])
        if name in self._by_domain:
            return _place(self._by_domain[name], "")
        label = path[1:].partition("/")[0]
        found = _place(self._by_label.get(label), f"/{label}")
        return found if found is not None or otherwise is None else self.labelled(otherwise)


def _place(routes: list[Route] | None, root_path: str) -> RouteMatch | None:
    return RouteMatch(route=routes[-1], root_path=root_path) if routes else None
