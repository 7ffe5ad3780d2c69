"""Who is told of what happens on a server, and in which order."""

from __future__ import annotations

from collections.abc import Callable

from motet.model.server_identity import ServerIdentity
from motet.server.config import ServerConfig
from motet.server.driver import Driver
from motet.server.lines import Lines
from motet.server.metrics.tally import Tally
from motet.server.records.begin import OpenRecords, begin_records
from motet.server.records.queue import NoRecords, RecordQueue
from motet.server.records.sampler import Sampler
from motet.server.traces.load_trace import LoadTrace
from motet.server.traces.spans import QueueSpans


def attach_observers(
    config: ServerConfig,
    driver: Driver,
    lines: Lines,
    tally: Tally,
    sampler: Sampler,
    load_trace: LoadTrace | None,
    open_records: OpenRecords | None,
    identity: Callable[[], ServerIdentity],
    tidy: Callable[[], object],
) -> RecordQueue | NoRecords:
    """Have told who is told of anything. What keeps records."""
    open_store = None if open_records is None else lambda: open_records(identity())
    records, containers = begin_records(config.records, open_store, tidy, driver, driver.clock, lines, sampler)
    if load_trace is not None:
        driver.follow(load_trace.turned)
    driver.listen(tally.told)
    # After the recorder: what became of containers is known there then.
    driver.listen(QueueSpans(driver, tally.name, containers).told)
    return records
