"""Who is told of what happens on a server, in which order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager

from motet.records.pools import ContainerRecord
from motet.server.config import ServerConfig
from motet.server.driver import Driver
from motet.server.lines import Lines
from motet.server.metrics.tally import Tally
from motet.server.records.queue import NoRecords, RecordQueue
from motet.server.records.recorder import Recorder
from motet.server.records.sampler import Sampler
from motet.server.traces.load_trace import LoadTrace
from motet.server.traces.spans import QueueSpans
from motet.store.records import RecordStore


def attach_observers(
    config: ServerConfig,
    driver: Driver,
    lines: Lines,
    tally: Tally,
    sampler: Sampler,
    load_trace: LoadTrace | None,
    open_records: Callable[[], AbstractContextManager[RecordStore]] | None,
    tidy: Callable[[], object],
) -> RecordQueue | NoRecords:
    """Have told who is told of anything. What keeps records."""
    containers: dict[str, ContainerRecord] = {}
    records: RecordQueue | NoRecords = NoRecords()
    if config.records is not None and open_records is not None:
        records = RecordQueue(
            asyncio.get_running_loop(),
            driver.clock,
            open_records,
            config.records.keep_for,
            tidy,
            config.records.arguments_bytes,
        )
        recorder = Recorder(records, driver.clock)
        containers = recorder.containers
        driver.listen(recorder.told)
        driver.follow(recorder.turned)
        lines.keep(recorder.wrote)
        driver.follow(sampler.turned)
    if load_trace is not None:
        driver.follow(load_trace.turned)
    driver.listen(tally.told)
    # After the recorder: what became of containers is known there then.
    driver.listen(QueueSpans(driver, tally.name, containers).told)
    return records
