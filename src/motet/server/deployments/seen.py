"""Deployments for who looks at a server from inside of it: its dashboard."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from motet.server.deployments.deployments import Deployments
from motet.wire.client_messages import ReplyBody
from motet.wire.deployment_messages import ListDeployments, ViewVersions
from motet.wire.schedule_messages import ListSchedules

_NOBODY: Any = None


def seen(deployments: Deployments) -> dict[type[Any], Callable[[Any], Coroutine[Any, Any, ReplyBody]]]:
    """Answers to questions about deployments, for `Operations.answers`."""
    answers = deployments.answers

    def seen_as(kind: type[Any]) -> Callable[[Any], Coroutine[Any, Any, ReplyBody]]:
        return lambda body: answers[kind](body, _NOBODY)

    return {kind: seen_as(kind) for kind in (ListDeployments, ViewVersions, ListSchedules)}
