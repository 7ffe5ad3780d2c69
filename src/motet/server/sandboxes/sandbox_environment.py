"""What commands in sandboxes have of the environment of their server: what programs need to run, and nothing more."""

from __future__ import annotations

from collections.abc import Mapping

_NAMES = (
    "PATH",
    "LANG",
    "LANGUAGE",
    "TZ",
    "LD_LIBRARY_PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "USER",
    "LOGNAME",
    "SHELL",
)


def sandbox_environment(base: Mapping[str, str]) -> dict[str, str]:
    """Of the environment that containers start from. What runs in sandboxes is often nobody's own code: a variable that
    functions get from the program must not reach it by accident."""
    return {name: value for name, value in base.items() if name in _NAMES or name.startswith("LC_")}
