"""What tests of the runtime share."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from motet.runtime.interrupter import CANCEL_SIGNAL, Interrupter


@pytest.fixture
def interrupter() -> Iterator[Interrupter]:
    before = signal.getsignal(CANCEL_SIGNAL)
    interrupter = Interrupter()
    interrupter.install()
    yield interrupter
    signal.signal(CANCEL_SIGNAL, before)
