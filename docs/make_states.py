"""Make docs/states.md: the lives of inputs and of containers, drawn from the tables that the engine goes by.

Run it: python docs/make_states.py
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from motet.core import containers, inputs

TARGET = Path(__file__).parent / "states.md"

PAGE = """# States

Drawn by `python docs/make_states.py` from the tables in `core/inputs.py` and `core/containers.py`. An arrow is an event that
a state allows; any other is an `InternalError` that tells the object's story, and changes nothing.

## An input

Cancelling is no state: it ends the input for its caller at once, while the attempt keeps its slot until the container lets go
of it.

{inputs}

## A container

Only a ready container is given attempts. A draining one finishes those that it holds. Nothing runs in a frozen one, whose
process was stopped (SIGSTOP), and it does not count as one of its pool's containers.

{containers}

Some of these moves need nobody to ask for them. The fleet makes them after every change of a container, in this order, for as
long as one of them holds:

| In this state | when | event | next state |
|---|---|---|---|
{caused}
"""


def page() -> str:
    """The whole page."""
    rows = [
        f"| {state} | {cause.when} | {cause.event} | {containers.TRANSITIONS[state][cause.event]} |"
        for state, causes in containers.CAUSED.items()
        for cause in causes
    ]
    return PAGE.format(
        inputs=_diagram(inputs.TRANSITIONS), containers=_diagram(containers.TRANSITIONS), caused="\n".join(rows)
    )


def _diagram(table: Mapping[str, Mapping[str, str]]) -> str:
    """A state diagram in Mermaid's words: one arrow from each state to each other, with all events that lead there."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {next(iter(table))}"]
    for state, row in table.items():
        for target in dict.fromkeys(row.values()):
            events = ", ".join(event for event, to in row.items() if to == target)
            lines.append(f"    {state} --> {target}: {events}")
        if not row:
            lines.append(f"    {state} --> [*]")
    return "\n".join([*lines, "```"])


if __name__ == "__main__":
    TARGET.write_text(page())
    print(f"wrote {TARGET}")
