"""A stand-in for the module of nvidia-ml-py, on the search path of whoever asks for it: devices without a driver."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

MODULE = """
from types import SimpleNamespace

NAMES = {names!r}


class NVMLError(Exception):
    pass


def nvmlInit():
    if NAMES is None:
        raise NVMLError("NVML Shared Library Not Found")


def nvmlShutdown():
    pass


def nvmlDeviceGetCount():
    return len(NAMES)


def nvmlDeviceGetHandleByIndex(index):
    return index


def nvmlDeviceGetName(device):
    return NAMES[device]


def nvmlDeviceGetUUID(device):
    return f"GPU-{{device}}".encode()


def nvmlDeviceGetMemoryInfo(device):
    return SimpleNamespace(total=81_559 * 2**20)


def nvmlDeviceGetMigMode(device):
    if "H100" not in NAMES[device]:
        raise NVMLError("Not Supported")
    return int("cut up" in NAMES[device]), 0
"""


def install(directory: Path, monkeypatch: pytest.MonkeyPatch, names: list[str] | None) -> None:
    """Until the test ends, `import pynvml` finds devices of these names; None: a machine without a driver."""
    (directory / "pynvml.py").write_text(MODULE.format(names=names))
    monkeypatch.syspath_prepend(directory)
    monkeypatch.delitem(sys.modules, "pynvml", raising=False)
    module = importlib.import_module("pynvml")
    del sys.modules["pynvml"]
    monkeypatch.setitem(sys.modules, "pynvml", module)
