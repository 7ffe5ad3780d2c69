"""Functions for code inside containers that Modal keeps in a namespace of this name."""

from __future__ import annotations

from motet.sdk.container_control import current_control

__all__ = ["get_local_input_concurrency", "stop_fetching_inputs"]


def stop_fetching_inputs() -> None:
    """Let this container take no more inputs: it finishes those it has, runs its exit hooks and ends.

    Raises `RuntimeError` outside a container. Idempotent.
    """
    control = current_control()
    if control is None:
        raise RuntimeError("Must be called from within a Motet container.")
    control.stop_fetching_inputs()


def get_local_input_concurrency() -> int:
    """How many inputs this container may run at once now. Raises `RuntimeError` outside a container."""
    control = current_control()
    if control is None:
        raise RuntimeError("Must be called from within a Motet container.")
    return control.input_concurrency
