"""Deployments for who looks at a server from inside of it: its dashboard."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from motet.server.deployments.deployments import Deployments
from motet.wire.client_messages import ReplyBody
from motet.wire.deployment_messages import ListDeployments, ViewVersions

_NOBODY: Any = None


def seen(deployments: Deployments) -> dict[type[Any], Callable[[Any], Coroutine[Any, Any, ReplyBody]]]:
    """Answers to questions about deployments, for `Operations.answers`."""
    listed, compared = deployments.answers[ListDeployments], deployments.answers[ViewVersions]
    return {ListDeployments: lambda body: listed(body, _NOBODY), ViewVersions: lambda body: compared(body, _NOBODY)}
