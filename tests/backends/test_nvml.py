"""Devices as the driver tells them, and those that are hidden from us."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from motet.backends.nvml import NOT_INSTALLED, find_gpus, visible_gpus
from motet.model.gpu import FoundGpus, Gpu
from tests.backends.fake_nvml import install

H100 = "NVIDIA H100 80GB HBM3"


def gpu(uuid: str) -> Gpu:
    return Gpu(uuid=uuid, kind="H100", memory_mib=81_559)


@pytest.mark.parametrize(
    ("visible", "seen"),
    [
        (None, "aa ab b"),
        ("0", "aa"),
        ("2,0", "b aa"),
        (" 1 , 2 ", "ab b"),
        ("GPU-b,GPU-aa", "b aa"),
        ("GPU-a,GPU-b", ""),  # either of two: the list ends there
        ("0,7,1", "aa"),
        ("0,-1,1", "aa"),
        ("0,0", "aa"),
        ("-1", ""),
        ("", ""),
        ("MIG-GPU-aa/1/0", ""),
    ],
)
def test_cuda_visible_devices_is_read_as_cuda_reads_it(visible: str | None, seen: str) -> None:
    gpus = [gpu("GPU-aa"), gpu("GPU-ab"), gpu("GPU-b")]
    assert [gpu.uuid.removeprefix("GPU-") for gpu in visible_gpus(gpus, visible)] == seen.split()


def test_devices_have_their_kind_memory_and_uuid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, [H100, "Tesla T4"])
    assert find_gpus(None) == FoundGpus(
        gpus=(
            Gpu(uuid="GPU-0", kind="H100", memory_mib=81_559),
            Gpu(uuid="GPU-1", kind="T4", memory_mib=81_559),
        )
    )
    assert [gpu.kind for gpu in find_gpus("1").gpus] == ["T4"]
    assert find_gpus("") == FoundGpus(note="CUDA_VISIBLE_DEVICES='' hides all 2")


def test_devices_in_mig_mode_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, [f"{H100} (cut up)", "Tesla T4"])
    assert [gpu.uuid for gpu in find_gpus(None).gpus] == ["GPU-1"]
    assert find_gpus("0") == FoundGpus(note="every one is in MIG mode, which is not supported")


def test_driver_that_does_not_answer_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, None)
    assert find_gpus(None) == FoundGpus(note="the driver does not answer: NVML Shared Library Not Found")


def test_host_without_devices_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, [])
    assert find_gpus(None) == FoundGpus(note="the driver knows none")


def test_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert find_gpus(None) == FoundGpus(note=NOT_INSTALLED)
