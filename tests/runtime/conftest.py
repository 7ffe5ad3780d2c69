"""What tests of the runtime share."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from motet.runtime.cancellation.interrupter import CANCEL_SIGNAL, Interrupter
from motet.runtime.cancellation.signalled_thread import let_callers_wait
from tests.runtime.receiver import Receiver


@pytest.fixture(scope="session", autouse=True)
def waiting_callers() -> None:
    """As in a container: fixtures set handlers while threads may be interrupted."""
    let_callers_wait()


@pytest.fixture
def interrupter() -> Iterator[Interrupter]:
    before = signal.getsignal(CANCEL_SIGNAL)
    interrupter = Interrupter()
    interrupter.install()
    yield interrupter
    signal.signal(CANCEL_SIGNAL, before)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.all()
