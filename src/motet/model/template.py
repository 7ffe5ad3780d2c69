"""Which template a container is forked from."""

from __future__ import annotations

import msgspec

from motet.model.hidden import hides_secrets
from motet.model.isolation import Walls


@hides_secrets
class TemplateSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Containers with equal ones are forked from one template.

    `python`: the path of its interpreter; "" is the backend's own. `preload`: what it has imported beside Motet (a `Preload`
    of the wire); empty is nothing. `env`: variables that count before a container has its own, as the interpreter reads them
    when it starts, on top of the backend's; sorted. `image`: at the level oci, the name of the image that they run in.
    `with_entrypoint`: there, the image's entrypoint is what they begin with. `runtime`: where Motet is found by a
    template that starts with the backend's interpreter and without an environment: containers, or what is to be imported,
    enter that of `python` once they are within their walls. Empty: it starts with its environment.
    """

    python: str = ""
    walls: Walls = Walls()
    preload: bytes = b""
    env: tuple[tuple[bytes, bytes], ...] = ()
    image: str = ""
    with_entrypoint: bool = True
    runtime: str = ""

    def without_preload(self) -> TemplateSpec:
        """The one that has imported nothing: what containers import by themselves is the same."""
        return msgspec.structs.replace(self, preload=b"")

    @property
    def outside(self) -> TemplateSpec:
        """What containers with this one are forked from. Those within walls made by bubblewrap enter these one by one, each its
        own, and come from a process in which no code of theirs has run, and that knows nothing of theirs. So do those
        that become another user, unless there is something to import: that the template does as this user, and no variable of
        the app's counts before."""
        if self.walls.own_user is not None and self.preload:
            return msgspec.structs.replace(self, env=())
        if self.walls.isolation != "bubblewrap" and self.walls.own_user is None:
            return self
        return TemplateSpec(runtime=self.runtime) if self.runtime else TemplateSpec(python=self.python)


PLAIN_TEMPLATE = TemplateSpec()
"""Has imported Motet, and stands within no walls."""
