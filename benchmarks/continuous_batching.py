"""`python benchmarks/continuous_batching.py [--json FILE]`: tokens/s and time to first token of continuous batching.

The model and the class are those of examples/continuous_batching.py. Prompts stream through a container, 1, 4, 16, 32 and 64 at
a time; 1 is one by one. "Bare" is the same model in a loop in this process, without Motet and without anybody joining or
leaving. On a GPU if there is one (24 layers of width 2048 in bf16, plain and with CUDA graphs), otherwise on the CPU (small).

Motet does not have to be installed: PYTHONPATH=$PWD/src python3 benchmarks/continuous_batching.py --json FILE
needs Python 3.11 or newer on Linux with torch, msgspec, cloudpickle, uvloop, click and rich. Ends within `--seconds` or so.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import time
import traceback
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

warnings.filterwarnings("ignore", message="Failed to initialize NumPy")
# In front of this directory: the example's file has the name of this one. Containers search where this program does.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))

import torch  # noqa: E402
from continuous_batching import Generator, Transformer, app  # noqa: E402

import motet  # noqa: E402

PROMPT = "A prompt of some thirty-two bytes."
HEADINGS = ["mode", "at once", "tokens/s", "x one by one", "first token, median", "first token, last", "bare tokens/s"]


@dataclass(kw_only=True)
class Row:
    """`at_once` streams at the same time. Seconds; medians over the repetitions."""

    mode: str
    at_once: int
    tokens_per_second: float
    times_one_by_one: float
    first_token_median: float
    first_token_last: float
    bare_tokens_per_second: float | None = None

    def cells(self) -> list[str]:
        bare = "" if self.bare_tokens_per_second is None else f"{self.bare_tokens_per_second:,.0f}"
        return [
            self.mode,
            str(self.at_once),
            f"{self.tokens_per_second:,.0f}",
            f"{self.times_one_by_one:.1f}",
            f"{self.first_token_median * 1000:.1f} ms",
            f"{self.first_token_last * 1000:.1f} ms",
            bare,
        ]


async def stream(generator: Any, tokens: int, number: int) -> tuple[float, int]:
    """Seconds to the first token, and how many tokens came."""
    began, first, count = time.perf_counter(), 0.0, 0
    async for _ in generator.generate.remote_gen.aio(f"{number:02} {PROMPT}", tokens):
        count += 1
        first = first or time.perf_counter() - began
    return first, count


async def wave(generator: Any, at_once: int, tokens: int) -> tuple[float, list[float]]:
    """Seconds that so many streams took together, and those to the first token of each."""
    began = time.perf_counter()
    streams = await asyncio.gather(*(stream(generator, tokens, number) for number in range(at_once)))
    took = time.perf_counter() - began
    if any(count != tokens for _, count in streams):
        raise SystemExit(f"tokens are missing: {streams}")
    return took, [first for first, _ in streams]


async def through_motet(mode: str, sizes: argparse.Namespace, until: float) -> list[Row]:
    """A row for each number of streams, printed as soon as it is there."""
    on_threads = {"OMP_NUM_THREADS": str(sizes.threads)} if sizes.threads else {}
    generator = Generator.with_options(env=on_threads)(
        layers=sizes.layers, width=sizes.width, positions=sizes.positions, cuda_graphs=mode == "cuda graphs"
    )
    began = time.perf_counter()
    await wave(generator, 1, 4)
    say(f"{mode}: container and model are up after {time.perf_counter() - began:.1f} s")
    rows: list[Row] = []
    for at_once in sizes.at_once:
        if time.monotonic() > until:
            say(f"{mode}: no time left for {at_once} at once")
            break
        await wave(generator, at_once, 4)
        waves = [await wave(generator, at_once, sizes.tokens) for _ in range(sizes.reps)]
        rate = at_once * sizes.tokens / statistics.median(took for took, _ in waves)
        row = Row(
            mode=mode,
            at_once=at_once,
            tokens_per_second=rate,
            times_one_by_one=rate / (rows[0].tokens_per_second if rows else rate),
            first_token_median=statistics.median(first for _, firsts in waves for first in firsts),
            first_token_last=statistics.median(max(firsts) for _, firsts in waves),
        )
        rows.append(row)
        say(" | ".join(f"{heading}: {cell}" for heading, cell in zip(HEADINGS, row.cells(), strict=True) if cell))
    return rows


def add_bare(rows: list[Row], sizes: argparse.Namespace, until: float) -> None:
    """Put beside each row what the model does in a loop of its own."""
    model = Transformer(sizes.layers, sizes.width, sizes.positions, max(sizes.at_once), rows[0].mode == "cuda graphs")
    for row in rows:
        if time.monotonic() < until:
            bare(model, row.at_once, 4)
            took = statistics.median(bare(model, row.at_once, sizes.tokens) for _ in range(sizes.reps))
            row.bare_tokens_per_second = row.at_once * sizes.tokens / took
            say(f"{row.mode}: bare, {row.at_once} at once: {row.bare_tokens_per_second:,.0f} tokens/s")


def bare(model: Transformer, at_once: int, tokens: int) -> float:
    """Seconds to generate so many tokens for each of so many prompts."""
    began = time.perf_counter()
    slots = list(range(at_once))
    prompts = [list(f"{number:02} {PROMPT}".encode()) for number in slots]
    found = model.prefill(slots, prompts)
    for step in range(tokens - 1):
        found = model.decode(slots, found, [len(prompt) + step for prompt in prompts])
    return time.perf_counter() - began


def measured(modes: list[str], sizes: argparse.Namespace) -> list[Row]:
    """All rows. A mode that fails says so; the others are measured all the same."""
    all_rows: list[Row] = []
    end = time.monotonic() + sizes.seconds
    for number, mode in enumerate(modes, 1):
        until = end - sizes.seconds * (1 - number / len(modes))
        rows: list[Row] = []
        try:
            with app.run():
                rows = asyncio.run(asyncio.wait_for(through_motet(mode, sizes, until), max(60.0, sizes.seconds)))
            add_bare(rows, sizes, until)
        except Exception:
            traceback.print_exc()
            say(f"{mode}: failed")
        all_rows += rows
    return all_rows


def table(rows: list[Row]) -> str:
    """Markdown that reads as plain text too."""
    lines = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    text = [
        "| " + " | ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    return "\n".join([text[0], "|" + "|".join("-" * (width + 1) + ":" for width in widths) + "|", *text[1:]])


def arguments() -> argparse.Namespace:
    gpu = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description="Measure continuous batching on this machine.")
    parser.add_argument("--at-once", type=int, nargs="+", default=[1, 4, 16, 32, 64], help="streams, 64 at most")
    parser.add_argument("--layers", type=int, default=24 if gpu else 4)
    parser.add_argument("--width", type=int, default=2048 if gpu else 256, help="a multiple of 64")
    parser.add_argument("--tokens", type=int, default=128 if gpu else 64, help="generated in each stream")
    parser.add_argument(
        "--positions", type=int, default=256 if gpu else 128, help="tokens of prompt and stream, at most"
    )
    parser.add_argument("--threads", type=int, help="of the model on a CPU, there and bare (default: torch decides)")
    parser.add_argument("--reps", type=int, default=3)
    parser.add_argument(
        "--seconds", type=float, default=240 if gpu else 75, help="no measurement begins later than this"
    )
    parser.add_argument("--no-graphs", action="store_true", help="on a GPU: leave CUDA graphs out")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured there, too")
    return parser.parse_args()


def say(line: str) -> None:
    print(line, flush=True)


def main() -> int:
    sizes = arguments()
    gpu = torch.cuda.is_available()
    if sizes.threads:
        torch.set_num_threads(sizes.threads)
    modes = ["plain", "cuda graphs"] if gpu and not sizes.no_graphs else ["plain"]
    about = {
        "device": torch.cuda.get_device_name() if gpu else f"CPU, {len(os.sched_getaffinity(0))} cores",
        "model": f"{sizes.layers} layers of width {sizes.width}, {'bf16' if gpu else 'fp32'}",
        "threads of the model": str(torch.get_num_threads()),
        "stream": f"{len(PROMPT) + 3} bytes of prompt, {sizes.tokens} tokens",
        "versions": f"Motet {motet.__version__}, torch {torch.__version__}, Python {platform.python_version()}",
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "load before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }
    for name, value in about.items():
        say(f"- {name}: {value}")
    rows = measured(modes, sizes)
    say(f"\n{table(rows)}")
    if sizes.json is not None:
        sizes.json.write_text(json.dumps({"about": about, "rows": [asdict(row) for row in rows]}, indent=1) + "\n")
    return 0 if len(rows) == len(modes) * len(sizes.at_once) else 1


if __name__ == "__main__":
    sys.exit(main())
