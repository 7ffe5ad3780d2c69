"""Whether this process, which is root, may have containers become users of their apps: in a container of others it may not."""

from __future__ import annotations

from pathlib import Path

_NEEDED = {0: "CAP_CHOWN", 6: "CAP_SETGID", 7: "CAP_SETUID", 21: "CAP_SYS_ADMIN"}
"""By the number that the kernel gives them."""


def missing_rights(status: Path = Path("/proc/self/status")) -> tuple[str, ...]:
    """The capabilities that it lacks for that, by name."""
    effective = next(line for line in status.read_text().splitlines() if line.startswith("CapEff:"))
    held = int(effective.split()[1], 16)
    return tuple(name for number, name in _NEEDED.items() if not held >> number & 1)
