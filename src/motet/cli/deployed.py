"""Deployed apps, as the server that is named, or that runs under MOTET_HOME, has them."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator

from motet.cli.named_server import named_server
from motet.cli.servers import LiveServer
from motet.client.reach import named
from motet.errors import ConnectionError, InvalidError, NotFoundError
from motet.model.deployment import DeploymentView
from motet.wire.deployment_messages import DeploymentsListed, ListDeployments

CHANGE_TIMEOUT = 900.0
"""Seconds that one version may take to take over from another."""

_VERSION = re.compile(r"v?([1-9][0-9]{0,8})")


def version_number(text: str) -> int:
    """
    >>> version_number("v5"), version_number("5")
    (5, 5)
    """
    found = _VERSION.fullmatch(text)
    if found is None:
        raise InvalidError(f"Invalid version specifier: {text}. Expected a positive version number, e.g. 'v5' or '5'.")
    return int(found[1])


def named_version(view: DeploymentView) -> str:
    """A version as it is written: "shop v3"."""
    return f"{view.name} v{view.version}"


@contextlib.contextmanager
def server_if_any() -> Iterator[LiveServer | None]:
    """The server, or None if none is named, and none runs under the home. Raises `ConnectionError` if the one that is named
    is not there."""
    with contextlib.ExitStack() as exits:
        try:
            server = exits.enter_context(named_server())
        except ConnectionError:
            if named(os.environ) is not None:
                raise
            server = None
        yield server


def serving(server: LiveServer | None) -> list[DeploymentView]:
    """The versions that serve, newest first."""
    return [] if server is None else server.ask(ListDeployments(), DeploymentsListed).found


def history(server: LiveServer, name: str) -> list[DeploymentView]:
    """All versions of a name, newest first. Raises `NotFoundError`."""
    return server.ask(ListDeployments(name), DeploymentsListed).found


def version_of(server: LiveServer, name: str, number: int) -> DeploymentView:
    """One of them. Raises `NotFoundError`."""
    views = history(server, name)
    found = next((view for view in views if view.version == number), None)
    if found is None:
        known = ", ".join(f"v{view.version}" for view in views[:10])
        raise NotFoundError(f"App {name!r} has no version {number} (it has: {known})")
    return found
