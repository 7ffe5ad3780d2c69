"""How fast records are kept, how much room they take, and how long it takes to find something among them.

    python benchmarks/records.py --lines 10000000 --markdown results/records-2-cores.md

Lines are like those of a program that processes items: of 4 functions, 40 containers and calls of 10,000 inputs, three lines
each, some with the input's id, words from a vocabulary in which few are frequent, and now and then a failure. They are added
as a server adds them: a transaction for what came in a fifth of a second. Then each question is asked `--repeat` times;
the median and the worst are told. How to read it: benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from machine import description, idle

from motet.model.ids import input_id
from motet.model.outcome import CallKind, OutcomeKind
from motet.records.batch import RecordBatch
from motet.records.calls import CallRecord
from motet.records.inputs import InputRecord
from motet.records.logs import LogBatch
from motet.records.pools import AppRecord, ContainerRecord, FunctionRecord
from motet.records.queries import CallQuery, InputQuery, LogQuery
from motet.store.sqlite_records import SqliteRecords

BEGAN = 1_700_000_000.0
LINES_PER_SECOND = 100_000
LINES_PER_ADD = 21_000
INPUTS_PER_ADD = 10_000
LINES_PER_INPUT = 3
INPUTS_PER_CALL = 10_000


def main() -> int:
    """Add, look, tell."""
    parser = argparse.ArgumentParser(description="Measure how records are kept and found.")
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--directory", type=Path, help="where to keep them meanwhile (a disk, not memory)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the report there, too")
    arguments = parser.parse_args()
    machine = description()
    idle_before = idle()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
        path = Path(directory) / "records.db"
        rows = [*_ingest(path, arguments.lines), *_ended(path, arguments.inputs)]
        rows += _search(path, arguments.lines, arguments.inputs, arguments.repeat)
    origin = (
        f"From `benchmarks/records.py --lines {arguments.lines} --inputs {arguments.inputs}`, {machine['date']}, "
        f"{machine['processors']}, Python {machine['python']}. Before, {idle_before:.0%} of the machine were idle: "
        "elapsed time depends on it, processor time hardly."
    )
    head = ["| what | median | worst | found |", "|---|---|---|---|"]
    report = [f"# Records: {arguments.lines:,} lines, {arguments.inputs:,} inputs", "", origin, "", *head, *rows]
    print(*report, sep="\n")
    if arguments.markdown:
        arguments.markdown.write_text("\n".join(report) + "\n")
    return 0


def _ingest(path: Path, count: int) -> Iterator[str]:
    store = SqliteRecords(path)
    store.add(_pools())
    wall, cpu = [], 0.0
    for start in range(0, count, LINES_PER_ADD):
        batch = RecordBatch(logs=list(_logs(start, min(count, start + LINES_PER_ADD))))
        began, began_cpu = time.perf_counter(), time.process_time()
        store.add(batch)
        wall.append(time.perf_counter() - began)
        cpu += time.process_time() - began_cpu
        if start % (LINES_PER_ADD * 50) == 0:
            print(f"{start:12,} lines, {sum(wall):.1f} s, {cpu:.1f} s of a processor", flush=True)
    store.close()
    rate = LINES_PER_ADD / statistics.median(wall)
    slowest = LINES_PER_ADD / max(wall)
    yield f"| lines added | {rate:,.0f}/s | {slowest:,.0f}/s | {count / sum(wall):,.0f}/s in the mean |"
    yield f"| processor time for a line | {cpu / count * 1e6:.1f} us | | {LINES_PER_ADD:,} in a transaction |"
    yield f"| room for a line | {path.stat().st_size / count:.0f} bytes | | of {_mean_length(count):.0f} characters |"


def _ended(path: Path, count: int) -> Iterator[str]:
    store = SqliteRecords(path)
    before = path.stat().st_size
    cpu = 0.0
    for start in range(0, count, INPUTS_PER_ADD):
        batch = RecordBatch(inputs={"fu-9": [_input(index) for index in range(start, start + INPUTS_PER_ADD)]})
        began = time.process_time()
        store.add(batch)
        cpu += time.process_time() - began
    store.add(RecordBatch(functions=[FunctionRecord("fu-9", "ap-1", "big", 1, 1)], calls=[_call("fc-big", "fu-9", 0)]))
    store.close()
    yield f"| processor time for an ended input | {cpu / count * 1e6:.2f} us | | |"
    yield f"| room for an ended input | {(path.stat().st_size - before) / count:.0f} bytes | | |"


def _search(path: Path, lines: int, inputs: int, repeat: int) -> Iterator[str]:
    store = SqliteRecords(path, read_only=True)
    whose = lines // 2 // LINES_PER_INPUT
    one = input_id(_call_id(whose), whose % INPUTS_PER_CALL)
    middle = BEGAN + lines / LINES_PER_SECOND / 2
    questions: dict[str, Callable[[], list[object]]] = {
        "newest 100": lambda: store.logs(LogQuery()),
        "oldest 100": lambda: store.logs(LogQuery(newest=False)),
        "frequent word": lambda: store.logs(LogQuery(search=WORDS[0])),
        "rare word": lambda: store.logs(LogQuery(search=f"item{lines // 3}")),
        "word that is nowhere": lambda: store.logs(LogQuery(search="nowhere")),
        "beginning of many words": lambda: store.logs(LogQuery(search="ite")),
        "three words in order": lambda: store.logs(LogQuery(search="connection reset by peer")),
        "two frequent words that never follow each other": lambda: store.logs(LogQuery(search="seconds item")),
        "an input's id as text": lambda: store.logs(LogQuery(search=one)),
        "punctuation, newest": lambda: store.logs(LogQuery(search="!!")),
        "of a call": lambda: store.logs(LogQuery(call_id=_call_id(whose))),
        "of an input": lambda: store.logs(LogQuery(input_id=one)),
        "of a container": lambda: store.logs(LogQuery(container_id="ta-7")),
        "of a function": lambda: store.logs(LogQuery(function="function-2")),
        "stderr": lambda: store.logs(LogQuery(sources=("stderr",))),
        "a time range": lambda: store.logs(LogQuery(since=middle, until=middle + 0.1)),
        "a word in a function": lambda: store.logs(LogQuery(function="function-3", search="reset")),
        "a word in a call": lambda: store.logs(LogQuery(call_id=_call_id(whose), search=WORDS[0])),
        "a word of a container in a time range": lambda: store.logs(
            LogQuery(container_id="ta-7", search=WORDS[0], since=middle, until=middle + 5)
        ),
        "20,000 lines with a frequent word": lambda: store.logs(LogQuery(search=WORDS[0], limit=20_000)),
        "the newest calls": lambda: store.calls(CallQuery()),
        f"a page of a call's {inputs:,} inputs": lambda: store.inputs(
            InputQuery(call_id="fc-big", after_index=inputs // 2)
        ),
        f"failed ones of its {inputs:,} inputs": lambda: store.inputs(
            InputQuery(call_id="fc-big", kinds=(OutcomeKind.FAILURE,))
        ),
        "one input of it": lambda: [store.input(input_id("fc-big", inputs - 1))],
        "the latest inputs of a container": lambda: store.inputs(InputQuery(container_id="ta-7")),
    }
    for what, ask in questions.items():
        taken, found = [], 0
        for _ in range(repeat):
            began = time.perf_counter()
            found = len(ask())
            taken.append(time.perf_counter() - began)
        yield f"| {what} | {statistics.median(taken) * 1e3:.1f} ms | {max(taken) * 1e3:.1f} ms | {found:,} |"
        print(what, [f"{each * 1e3:.1f}" for each in taken], found, flush=True)
    store.close()


def _pools() -> RecordBatch:
    functions = [FunctionRecord(f"fu-{number}", "ap-1", f"function-{number}", 10, 8) for number in range(4)]
    containers = [ContainerRecord(f"ta-{number}", f"fu-{number % 4}", BEGAN, BEGAN) for number in range(40)]
    return RecordBatch(apps=[AppRecord("ap-1", "benchmark", BEGAN)], functions=functions, containers=containers)


def _call(call_id: str, function_id: str, after: float) -> CallRecord:
    return CallRecord(call_id, function_id, CallKind.ATTACHED, "", BEGAN + after)


def _call_id(number: int) -> str:
    return f"fc-01hq3v8k2mabcdefgh012345{number // INPUTS_PER_CALL:08}"


def _input(index: int) -> InputRecord:
    at = BEGAN + index * 2e-5
    kind = OutcomeKind.FAILURE if index % 1000 == 7 else OutcomeKind.SUCCESS
    return InputRecord(
        "fc-big", index, at, at + 0.5, kind, f"ta-{index % 40}", at + 0.1, at + 0.5, kind, at + 0.2, at + 0.4
    )


def _logs(start: int, end: int) -> Iterator[LogBatch]:
    for number in range(start // LINES_PER_INPUT, -(-end // LINES_PER_INPUT)):
        texts = _texts(number)[: end - number * LINES_PER_INPUT]
        at = BEGAN + number * LINES_PER_INPUT / LINES_PER_SECOND
        container = number % 40
        whose = (f"fu-{container % 4}", f"ta-{container}", _call_id(number), number % INPUTS_PER_CALL)
        yield LogBatch(at, *whose, "stderr" if number % 50 == 0 else "stdout", texts)


def _texts(number: int) -> list[str]:
    dice = random.Random(number)
    seconds = dice.random()
    words = (WORDS[int(len(WORDS) ** dice.random()) - 1] for _ in itertools.repeat(None, 8))
    last = "connection reset by peer, again in 3 seconds!!" if number % 1000 == 3 else " ".join(words)
    return [
        f"item{number * LINES_PER_INPUT}: input {input_id(_call_id(number), number % INPUTS_PER_CALL)} begins",
        f"fetched https://example.com/items/{number} in {seconds:.3f} seconds",
        last,
    ]


def _mean_length(count: int) -> float:
    texts = [text for number in range(0, count // LINES_PER_INPUT, max(1, count // 3000)) for text in _texts(number)]
    return statistics.fmean(map(len, texts)) if texts else 0.0


def _vocabulary() -> list[str]:
    dice = random.Random(1)
    return ["".join(dice.choices("abcdefghijklmnopqrstuvwxyz", k=dice.randint(4, 9))) for _ in range(20_000)]


WORDS = _vocabulary()
"""From the most frequent to the rarest."""

if __name__ == "__main__":
    os.nice(5)
    raise SystemExit(main())
