"""Keywords that are accepted for Modal's sake, and have no effect here, or cannot be honoured yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from motet.context.notices import warn_user
from motet.errors import UnimplementedError

# For each keyword without effect, the values that ask for nothing special.
_WITHOUT_EFFECT: dict[str, tuple[object, ...]] = {
    "cloud": (None,),
    "region": (None,),
    "routing_region": (None,),
    "nonpreemptible": (None, False),
    "ephemeral_disk": (None,),
    "include_source": (None, True),
    "experimental_options": (None, {}),
    "enable_memory_snapshot": (None, False),
    "restrict_modal_access": (None, False),
}

_INSTEAD = {
    "schedule": "Schedules need the stand-alone server. Call the function from cron or a systemd timer for now.",
    "volumes": "Containers run on this machine and see its files: pass the functions a path instead.",
    "network_file_systems": "Containers run on this machine and see its files: pass the functions a path instead.",
    "proxy": "Containers use this machine's network: set HTTP_PROXY and HTTPS_PROXY with `env=` instead.",
    "block_network": "Containers use this machine's network: leave it out, or run the program where there is none.",
    "i6pn": "Containers run on one machine: let them talk over localhost instead.",
}

_warned: set[str] = set()


def refuse_unavailable(options: Mapping[str, Any]) -> None:
    """Raises `UnimplementedError` for a keyword that cannot be honoured, with what to do instead."""
    for name, instead in _INSTEAD.items():
        if options.get(name):
            raise UnimplementedError(f"`{name}` is not available in this version of Motet. {instead}")


def warn_without_effect(options: Mapping[str, Any]) -> None:
    """Says of each keyword that has no effect on this machine that it has none: once per process."""
    for name, defaults in _WITHOUT_EFFECT.items():
        if options.get(name) in defaults or name in _warned:
            continue
        _warned.add(name)
        warn_user(
            UserWarning(f"`{name}={options[name]!r}` has no effect: containers run on this machine, as processes.")
        )
