"""Whether an input whose container is gone can run again."""

from __future__ import annotations

from motet.core.inputs import Input

MAX_LONE_LOSSES = 2
"""An input whose container died this often while it ran there alone is what kills them."""


def why_not_again(item: Input, what_happened: str) -> str | None:
    """Why it cannot run again, after `what_happened` to its container; None if it can."""
    if item.lone_losses >= MAX_LONE_LOSSES:
        return f"{what_happened} while it ran {item.input_id} alone, {item.lone_losses} times over; it is not run again"
    if item.items_sent:  # its consumer would get them twice
        return f"{what_happened} after {item.items_sent} items were streamed"
    if item.call.at_most_once:
        return (
            f"{what_happened} while it ran {item.input_id}, which is not run again: it may have had an effect already"
        )
    if item.fed:
        return f"{what_happened} after it had been sent a part of {item.input_id}"
    return None
