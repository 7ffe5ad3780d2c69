"""Make docs/configuration.md: every variable, from the table in `motet.client.variables`.

Run it: python docs/make_configuration.py
"""

from __future__ import annotations

from pathlib import Path

from motet.client.variable import ReadBy, Variable
from motet.client.variables import VARIABLES

TARGET = Path(__file__).parent / "configuration.md"

PAGE = """# Configuration

Every variable of the environment that Motet reads. Made by `python docs/make_configuration.py` from
the table in `client/variables.py`; a test finds a variable that is read and has no row. `motet
server` warns of a variable that looks like one of these and is none.

How functions behave is not set here but in the program: [functions](guide/functions.md).

## Programs and commands

Read when a program starts an app, or a command begins. A change is seen by **the next program**.
Those with a key can also stand in a [profile](server.md#profiles): `motet config set KEY VALUE`. The
environment goes before the profile.

{programs}

## The server

Read once, when a server starts: `motet server`, or the one that `app.run()` and `motet run` bring
along, which has the program's environment. A change is seen when **the server is started again**.
With the servers of programs, that is the next run.

{server}

## Containers

Read by each container when it starts. Set them in a function's `env`, or for all: the server of a
program passes on what the program has, `motet server` what it has itself. A change is seen by **the
next container**; `motet container stop --graceful` replaces one that runs, and so does a deploy.

{containers}

## What code in containers finds

Set by Motet, for code and for processes that it starts.

{inside}
"""


def page() -> str:
    """The whole page."""
    return PAGE.format(
        programs=_table(ReadBy.PROGRAM, has_keys=True),
        server=_table(ReadBy.SERVER),
        containers=_table(ReadBy.CONTAINER),
        inside=_table(ReadBy.NOBODY, has_defaults=False),
    )


def _table(read_by: ReadBy, *, has_keys: bool = False, has_defaults: bool = True) -> str:
    columns = ["variable", *(["key"] if has_keys else []), "means", *(["unit", "default"] if has_defaults else [])]
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for row in VARIABLES.values():
        if row.read_by is read_by:
            cells = [f"`{row.name}`", *([_code(row.profile)] if has_keys else []), _means(row)]
            cells += [row.unit, row.default] if has_defaults else []
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _means(row: Variable) -> str:
    return f"{row.means}. Containers do not inherit it" if row.is_withheld else row.means


if __name__ == "__main__":
    TARGET.write_text(page())
    print(f"wrote {TARGET}")
