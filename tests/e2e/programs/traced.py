"""Nested calls, a map, a failure, a batch and a web function, for traces."""

import os
import signal
import sys
import threading
import urllib.request

import motet

app = motet.App("traced")


@app.function()
@motet.concurrent(max_inputs=4)
async def inner(x: int) -> int:
    if x < 0:
        raise ValueError("too little")
    return x + 1


@app.function()
def outer(x: int) -> int:
    return inner.remote(x)


@app.function()
def numbers(count: int):
    yield from range(count)


@app.function()
@motet.batched(max_batch_size=2, wait_ms=2000)
def doubled(x: list[int]) -> list[int]:
    return [2 * it for it in x]


@app.function()
@motet.fastapi_endpoint()
def hello() -> str:
    return str(inner.remote(1))


@app.function()
def preempted() -> str:
    os.kill(os.getpid(), signal.SIGTERM)
    return "finished"


@app.function()
@motet.concurrent(max_inputs=2)
def own(name: str) -> None:
    from opentelemetry import trace

    def work() -> None:
        with trace.get_tracer("mine").start_as_current_span(f"part of {name}"):
            inner.remote(1)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


@app.function()
def modules() -> list[str]:
    return [name for name in sys.modules if name.startswith("opentelemetry")]


def fail() -> None:
    try:
        inner.remote(-1)
    except ValueError:
        print("failed")


def ask() -> None:
    header = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"
    request = urllib.request.Request(hello.get_web_url(), headers={"traceparent": header})
    print(urllib.request.urlopen(request).read().decode())


def provided() -> None:
    """The program has a tracer provider of its own, and spans of its own."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    trace.set_tracer_provider(provider)
    with trace.get_tracer("mine").start_as_current_span("my own"):
        result = inner.remote(1)
    print(result, *(span.name for span in spans.get_finished_spans()), sep="\n")


WAYS = {
    "nested": lambda: print(outer.remote(1)),
    "map": lambda: print(list(inner.map(range(3)))),
    "stream": lambda: print(list(numbers.remote_gen(3))),
    "batch": lambda: print(list(doubled.map(range(2)))),
    "spawn": lambda: print(outer.spawn(1).get()),
    "fail": fail,
    "web": ask,
    "preempted": lambda: print(preempted.remote()),
    "own": lambda: own.for_each(["a", "b"]),
    "provided": provided,
    "off": lambda: print(
        modules.remote(), inner.remote(1), [name for name in sys.modules if name.startswith("opentelemetry")]
    ),
}

if __name__ == "__main__":
    with app.run():
        WAYS[sys.argv[1]]()
