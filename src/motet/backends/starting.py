"""What every backend of this machine does about a start, whatever it starts: its checks, and the report of one that failed."""

from __future__ import annotations

import os
from collections.abc import Callable, Container

from motet.backends.base import NOT_STARTED, ContainerEnd
from motet.backends.output_pipes import Pipes
from motet.errors import InternalError, InvalidError, ServiceError


def start_or_report(
    start: Callable[[], None],
    container_id: str,
    pipes: Pipes | None,
    *,
    known: Container[str],
    is_open: bool,
    report_soon: Callable[[ContainerEnd], None],
) -> None:
    """Call `start`; that it failed is reported as the container's end, later than this returns. `known`: ids that are taken.
    `pipes`: what the container was to write to, if the caller made that. Raises `InternalError` as `Backend.start_nowait`."""
    if not is_open:
        raise InternalError(f"container {container_id} cannot start: the backend is not open")
    if container_id in known:
        raise InternalError(f"container {container_id} was started already")
    try:
        start()
    except (OSError, ValueError, ServiceError, InvalidError) as error:
        for descriptor in () if pipes is None else pipes.write_ends:
            os.close(descriptor)
        report_soon(ContainerEnd(container_id=container_id, code=NOT_STARTED, reason=f"could not be started: {error}"))
