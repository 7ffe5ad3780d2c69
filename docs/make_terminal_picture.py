"""Make docs/images/terminal.svg: what the terminal shows during a run, drawn by the code that draws it there.

Run it: python docs/make_terminal_picture.py

The app below really runs; the picture is taken in the middle of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console

import motet
from motet.cli.live_view import live_view
from motet.cli.progress import Progress
from motet.cli.summary import summary_lines

TARGET = Path(__file__).parent / "images" / "terminal.svg"
TAKEN_AFTER = 2.0
WIDTH = 122

app = motet.App("shop")


@app.function()
@motet.concurrent(max_inputs=100)
async def fetch(number: int) -> None:
    await asyncio.sleep(0.2 + number % 10 / 25)


@app.function(max_containers=4)
@motet.concurrent(max_inputs=12, target_inputs=10)
def query(number: int) -> None:
    time.sleep(0.1 + number % 7 / 35)


@app.function(max_containers=6)
def resize(number: int) -> None:
    if number % 50 == 49:
        raise ValueError(f"picture {number} is broken")
    time.sleep(0.05)


def submit(function: motet.Function[..., Any], inputs: Iterable[int]) -> None:
    """Call it for all of these, on a thread; leaving the app cancels what is left."""

    def call() -> None:
        with contextlib.suppress(motet.Error):
            function.for_each(inputs, ignore_exceptions=True)

    threading.Thread(target=call, daemon=True).start()


def main() -> None:
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print("$ motet run shop.py", highlight=False)
    with app.run():
        progress = Progress(time.monotonic())
        for function, inputs in ((fetch, range(8000)), (query, range(2000)), (resize, range(1000))):
            submit(function, inputs)
        while time.monotonic() - progress.began < TAKEN_AFTER:
            time.sleep(0.125)
            assert app.running is not None
            progress.observe(app.running.view(), time.monotonic())
        console.print(live_view(progress, status="", width=WIDTH))
    svg = console.export_svg(title="motet run", unique_id="motet")
    # Fonts from elsewhere are not loaded in pictures on a page, and need not be: any fixed-width one will do.
    TARGET.write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL))
    print(f"wrote {TARGET}", *summary_lines(progress.functions), sep="\n")


if __name__ == "__main__":
    main()
