"""What a server knows of its host agent's templates: their processes, and whether it has more than one kind."""

from __future__ import annotations

from motet.backends.base import Launch, TemplateEnd
from motet.errors import ServiceError
from motet.model.isolation import NO_LIMITS
from motet.model.template import PLAIN_TEMPLATE
from motet.wire.agent import Attached, TemplateLost


class KnownTemplates:
    """Of one agent after the other."""

    def __init__(self) -> None:
        self.pids: set[int] = set()
        self._has_one_kind = False

    def attached(self, message: Attached) -> None:
        """An agent says what there is."""
        self._has_one_kind = message.templates is None
        self.pids = set(message.templates or (message.template,)) - {0}

    def started(self, pid: int) -> None:
        """There is another one."""
        self.pids.add(pid)

    def ended(self, message: TemplateLost) -> TemplateEnd:
        """One is gone; of an agent of an earlier release, the one that it had."""
        self.pids = self.pids - {message.pid} if message.pid else set()
        return TemplateEnd(pid=message.pid, reason=message.reason, is_lost=message.is_lost)

    def check(self, launch: Launch) -> None:
        """Raise `ServiceError` if the agent would start something else. What it does not import before is imported in the
        container."""
        template = launch.template
        is_plain = template.python == "" and template.walls == PLAIN_TEMPLATE.walls and launch.limits == NO_LIMITS
        if self._has_one_kind and not is_plain:
            raise ServiceError(
                "the host agent is of an earlier release, which knows neither walls nor limits nor another Python; end the "
                "server in order (SIGTERM) and start it again"
            )
