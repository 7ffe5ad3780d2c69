"""Functions for code inside containers that Modal keeps in a namespace of this name."""

from __future__ import annotations

from motet.context.container import ContainerControl, current_control
from motet.errors import InvalidError

__all__ = ["get_local_input_concurrency", "set_local_input_concurrency", "stop_fetching_inputs"]


def stop_fetching_inputs() -> None:
    """Let this container take no more inputs: it finishes those it has, runs its exit hooks and ends.

    Raises `RuntimeError` outside a container. Idempotent.
    """
    _control().stop_fetching_inputs()


def get_local_input_concurrency() -> int:
    """How many inputs this container may run at once now. Raises `RuntimeError` outside a container."""
    return _control().input_concurrency


def set_local_input_concurrency(concurrency: int) -> None:
    """Have this container run at most so many inputs at once from now on, however many `max_inputs` allows.

    Inputs that run go on; others wait, or run elsewhere. Raises `RuntimeError` outside a container's functions.
    """
    if not isinstance(concurrency, int) or concurrency < 1:
        raise InvalidError(f"`concurrency` must be an integer of at least 1, got {concurrency!r}")
    _control().set_input_concurrency(concurrency)


def _control() -> ContainerControl:
    control = current_control()
    if control is None:
        raise RuntimeError("Must be called from within a Motet container.")
    return control
