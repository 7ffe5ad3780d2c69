"""Records begin: what keeps them, and who is told what for that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from motet.model.server_identity import ServerIdentity
from motet.records.pools import ContainerRecord
from motet.server.clock import Clock
from motet.server.driver import Driver
from motet.server.lines import Lines
from motet.server.records.config import RecordsConfig
from motet.server.records.queue import NoRecords, RecordQueue
from motet.server.records.recorder import Recorder
from motet.server.records.sampler import Sampler
from motet.store.records import RecordStore


class OpenRecords(Protocol):
    """Opens what keeps a server's records, and makes the server known to other processes of this machine."""

    def __call__(self, identity: ServerIdentity) -> AbstractContextManager[RecordStore]: ...


def begin_records(
    config: RecordsConfig | None,
    open_store: Callable[[], AbstractContextManager[RecordStore]] | None,
    tidy: Callable[[], object],
    driver: Driver,
    clock: Clock,
    lines: Lines,
    sampler: Sampler,
) -> tuple[RecordQueue | NoRecords, dict[str, ContainerRecord]]:
    """Have told who makes records, if any are kept. What keeps them, and the containers that have not ended."""
    if config is None or open_store is None:
        return NoRecords(), {}
    records = RecordQueue(asyncio.get_running_loop(), clock, open_store, config.keep_for, tidy, config.arguments_bytes)
    recorder = Recorder(records, clock)
    driver.listen(recorder.told)
    driver.follow(recorder.turned)
    lines.keep(recorder.wrote)
    driver.follow(sampler.turned)
    return records, recorder.containers
