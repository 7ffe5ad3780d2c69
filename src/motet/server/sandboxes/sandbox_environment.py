"""What commands in sandboxes have of the environment of their server: what programs need to run, and nothing more."""

from __future__ import annotations

from collections.abc import Mapping

from motet.model.isolation import Isolation
from motet.model.sandbox import SandboxSpec
from motet.server.containers.launching import activated

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


def environment_of(base: Mapping[str, str], spec: SandboxSpec, isolation: Isolation, sandbox_id: str) -> dict[str, str]:
    """All variables of a sandbox. `base`: see `sandbox_environment`. In an OCI image, nothing of this machine's; its own
    variables come below these."""
    base = {} if isolation == "oci" else base
    ids = {"MOTET_SANDBOX_ID": sandbox_id, "MODAL_SANDBOX_ID": sandbox_id}
    return {**base, **activated(base, spec.image.python), **spec.image.env, **spec.env, **ids}


def sandbox_environment(base: Mapping[str, str]) -> dict[str, str]:
    """Of the environment that containers start from. What runs in sandboxes is often nobody's own code: a variable that
    functions get from the program must not reach it by accident."""
    return {name: value for name, value in base.items() if name in _NAMES or name.startswith("LC_")}
