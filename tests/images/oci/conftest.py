from __future__ import annotations

import pytest

from tests.images.oci.machine import OciMachine, machine


@pytest.fixture(scope="session")
def oci(tmp_path_factory: pytest.TempPathFactory) -> OciMachine:
    return machine(tmp_path_factory)
