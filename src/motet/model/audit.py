"""What is written down of who did what with a server that stays."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

AuditOutcome = Literal["done", "failed", "refused", "unanswered"]


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that somebody did, or was refused. `at`: on the wall clock. `who`: the principal's name; `principal` tells it
    from others of that name. `where`: how it came in. `what`: the kind of request; `about`: what it was about, by name; never a
    token or a secret. `why`: what it was refused or failed for. `lost`: so many entries before this one could not be written.
    """

    at: float
    who: str
    principal: str = ""
    where: str = ""
    what: str
    about: dict[str, Any] = {}
    outcome: AuditOutcome
    why: str = ""
    lost: int = 0
