"""What user code may ask of the container it runs in; the runtime provides it."""

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


_control: ContainerControl | None = None


def provide(control: ContainerControl) -> None:
    """The runtime calls this once, before user code is imported."""
    global _control
    _control = control


def current_control() -> ContainerControl | None:
    """The container this code runs in, or None outside of one."""
    return _control
