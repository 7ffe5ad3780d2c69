"""Which container code runs in, if any, and what user code may ask of it. The runtime sets it, once."""

from __future__ import annotations

from typing import Protocol


class ContainerControl(Protocol):
    """The container, from inside. Thread-safe."""

    @property
    def input_concurrency(self) -> int:
        """How many inputs it may run at once."""

    def set_input_concurrency(self, value: int) -> None:
        """Run at most so many inputs at once from now on; those that run go on."""

    def stop_fetching_inputs(self) -> None:
        """Take no more inputs; finish those held, then end. Idempotent."""


_container_id: str | None = None
_control: ContainerControl | None = None
alone_in: str | None = None
"""The function of this container, if it may have no other one, which runs one input at a time."""


def enter_container(container_id: str) -> None:
    """This process is a container from now on, or, without a name yet, what containers are forked from."""
    global _container_id
    _container_id = container_id


def provide(control: ContainerControl) -> None:
    """What user code asks goes to `control`; called before any is imported."""
    global _control
    _control = control


def run_alone(function_id: str | None) -> None:
    """This container is the only one that its function may have, and runs one input at a time. None: no matter any more."""
    global alone_in
    alone_in = function_id


def current_container_id() -> str | None:
    """The id of the container this code runs in (`ta-...`), or None outside containers."""
    return _container_id or None


def current_control() -> ContainerControl | None:
    """The container this code runs in, or None outside of one."""
    return _control


def is_local() -> bool:
    """True in the program that makes calls, False inside a container."""
    return _container_id is None
