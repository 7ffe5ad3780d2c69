"""What tests of the runtime share."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from motet.runtime.cancellation.interrupter import CANCEL_SIGNAL, Interrupter
from motet.runtime.cancellation.signalled_thread import let_callers_wait
from tests.runtime.receiver import Receiver


@pytest.fixture(scope="session", autouse=True)
def signals_as_in_containers() -> None:
    """What tests put back is a handler, too: a signal that comes late, as to a thread that was interrupted otherwise, would
    end the process. And fixtures set handlers while threads are interrupted."""
    let_callers_wait()
    Interrupter().install()


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
