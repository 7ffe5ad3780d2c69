from __future__ import annotations

from collections.abc import Iterator

import pytest

from motet.testing.playbook import Playbook


@pytest.fixture
def play() -> Iterator[Playbook]:
    with Playbook() as playbook:
        yield playbook
