"""`python benchmarks/logs.py [--lines 1000000] [--markdown FILE]`: whose each line is, and what it costs. See README.md.

A hundred inputs at once write in every way there is; each line names the input whose code wrote it, and here it is compared
with what Motet says: right, shared (the container's own stream, labelled so), wrong, or lost.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import log_functions
import machine
from log_functions import app
from measured import markdown, show

from motet.model.ids import input_id
from motet.wire.client_messages import OutputLines

INPUTS = 100
PROCESS_LINES = 20
HEADINGS = ["inputs", "way of writing", "lines", "right", "shared", "wrong", "lost"]

_TRACEBACK = ("Traceback", "Exception in", "  ", "ValueError", "subprocess ")
RAW_WAYS = ("os.write(1)", "printf in C", "a file opened on 2")


class Listener:
    """Compares what lines say with what is said of them."""

    def __init__(self) -> None:
        self.right: Counter[str] = Counter()
        self.shared: Counter[str] = Counter()
        self.wrong: Counter[str] = Counter()
        self.broken: list[str] = []
        self.notices: list[str] = []
        self.arrived = 0
        self._changed = threading.Condition()

    def take(self, output: OutputLines) -> None:
        known = input_id(output.call_id, output.index) if output.call_id else ""
        for text in output.lines:
            self._take(text, known)
        with self._changed:
            self.arrived += len(output.lines)
            self._changed.notify_all()

    def _take(self, text: str, known: str) -> None:
        if text.startswith("motet: "):
            self.notices.append(text)
        elif not text.startswith("in-") or not text.endswith(" " + "." * 30):
            if text and not text.startswith(_TRACEBACK):
                self.broken.append(text)
        else:
            written, way = text.split(" ", 1)[0], text.split(" ", 1)[1].rsplit(" ", 2)[0]
            counted = self.right if written == known else self.wrong if known else self.shared
            counted[way] += 1

    def wait_quiet(self, seconds: float) -> None:
        """Return when nothing has come for so long."""
        with self._changed:
            while self._changed.wait(seconds):
                pass


def expected(kind: str, count: int, processes: int, rounds: int) -> Counter[str]:
    """Lines by way, of one input."""
    ways = Counter(
        {
            "print": count, "sys.stderr": count, "writelines": count, "stdout.buffer": count, "logging": count,
            "logging without handlers": count, "warnings": count, "traceback": count, **dict.fromkeys(RAW_WAYS, count),
        }
    )  # fmt: skip
    if kind == "on_threads":
        ways.update(
            {
                "thread": count, "3 threads at once": count, "shared executor": count, "executor of its own": count,
                "thread that outlives it": count, "traceback of a thread": max(1, count // 20),
            }
        )  # fmt: skip
    elif kind == "as_tasks":
        ways.update(
            {
                "child tasks": 2 * count, "asyncio.to_thread": count, "run_in_executor": count, "call_soon": count,
                "task that outlives it": count,
            }
        )  # fmt: skip
    ways = Counter({way: number * rounds for way, number in ways.items()})
    if processes and kind == "as_tasks":
        ways["asyncio subprocess"] = processes
    elif processes:
        for way in (
            "subprocess",
            "subprocess to sys.stderr",
            "os.system",
            "forked process",
            "process that outlives it",
        ):
            ways[way] = processes
    return ways


def tortured(kind: str, inputs: int, count: int, processes: int, rounds: int) -> list[list[str]]:
    """The rows of one kind of container."""
    listener = Listener()
    with app.run():
        running: Any = app.running
        running.on_output(listener.take)
        function = getattr(log_functions, kind)
        began = time.perf_counter()
        list(function.map([count] * inputs, [processes] * inputs, [rounds] * inputs, order_outputs=False))
        listener.wait_quiet(2.0)
        took = time.perf_counter() - began - 2.0
    rows = []
    total: Counter[str] = Counter()
    for way, each in expected(kind, count, processes, rounds).items():
        right, shared, wrong = listener.right[way], listener.shared[way], listener.wrong[way]
        lost = each * inputs - right - shared - wrong
        total.update(lines=each * inputs, right=right, shared=shared, wrong=wrong, lost=lost)
        rows.append(_row(kind, way, each * inputs, right, shared, wrong, lost))
    rows.append(_row(kind, "ALL", *(total[it] for it in ("lines", "right", "shared", "wrong", "lost"))))
    print(
        f"{kind}: {total['lines']:,} lines in {took:.1f} s; notices: {listener.notices[:3]}; broken: {listener.broken[:3]}"
    )
    return rows


def _row(kind: str, way: str, *numbers: int) -> list[str]:
    return [kind, way, *(f"{number:,}" for number in numbers)]


def costs(reps: int, count: int) -> Iterator[str]:
    """Sentences on what a line costs, by kind of container; both ways of printing take turns."""
    for function, kind in ((log_functions.cost, "a thread"), (log_functions.cost_in_tasks, "a task")):
        with app.run():
            function.remote(10, False)
            pairs = [(function.remote(count, True), function.remote(count, False)) for _ in range(reps)]
        for which, name in enumerate(("", " of CPU time")):
            plain, ours = ([1e6 * pair[n][which] for pair in pairs] for n in (0, 1))
            more = statistics.median(b - a for a, b in zip(plain, ours, strict=True))
            yield (
                f"in {kind}: {statistics.median(ours):.1f} µs{name} per line [{min(ours):.1f}..{max(ours):.1f}], plain print "
                f"{statistics.median(plain):.1f} [{min(plain):.1f}..{max(plain):.1f}]: {more:.1f} µs more"
            )


def flooded() -> str:
    """One input floods, with an allowance of 200 lines/s after 2,000; two others go on."""
    listener = Listener()
    with app.run():
        running: Any = app.running
        running.on_output(listener.take)
        call = log_functions.flood.spawn(3.0)
        neighbours = [log_functions.flood.spawn(0.0) for _ in range(50)]
        for neighbour in neighbours:
            neighbour.get()
        written = call.get()
        listener.wait_quiet(1.0)
    left_out = sum(int(notice.split()[1].replace(",", "")) for notice in listener.notices)
    came = listener.right["flood"]
    return (
        f"a flood of {written:,} lines in 3 s: {came:,} came, {left_out:,} left out by {len(listener.notices)} notices, "
        f"{written - came - left_out} unaccounted for"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Whose each line is, and what it costs.")
    parser.add_argument("--lines", type=int, default=1_050_000, help="to write in all, about (default: 1,050,000)")
    parser.add_argument("--reps", type=int, default=9, help="repetitions of the cost per line (default: 9)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the report there, too")
    arguments = parser.parse_args()
    about = machine.description()
    # About 17 ways, half of the lines on threads and half in tasks.
    count, rounds = 40, max(1, round(arguments.lines / (2 * INPUTS * 17 * 40)))
    rows = [
        *tortured("on_threads", INPUTS, count, PROCESS_LINES, rounds),
        *tortured("as_tasks", INPUTS, count, PROCESS_LINES, rounds),
        *tortured("alone", 20, count, PROCESS_LINES, 5),
    ]
    notes = [*costs(arguments.reps, 10_000), flooded()]
    show(HEADINGS, rows)
    print(*notes, sep="\n")
    if arguments.markdown is not None:
        head = "\n".join(f"- {name}: {value}" for name, value in about.items())
        body = "\n".join(f"- {note}" for note in notes)
        arguments.markdown.write_text(
            f"# Whose each line is, {about['processors']}\n\n{head}\n\n{body}\n\n{markdown(HEADINGS, rows)}\n"
        )


if __name__ == "__main__":
    main()
