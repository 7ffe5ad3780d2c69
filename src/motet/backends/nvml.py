"""The GPUs of this machine, as NVIDIA's driver tells them."""

from __future__ import annotations

from typing import Any

from motet.model.gpu import FoundGpus, Gpu

NOT_INSTALLED = "looking for GPUs takes the package nvidia-ml-py: pip install 'motet[gpu]'"


def find_gpus(visible: str | None) -> FoundGpus:
    """The devices that a program with `visible` as its CUDA_VISIBLE_DEVICES (None: not set) would see. Never raises.

    It can take a second where the driver has to wake up. A GPU that is cut up (MIG) is left out.
    """
    try:
        import pynvml
    except ImportError:
        return FoundGpus(note=NOT_INSTALLED)
    try:
        pynvml.nvmlInit()
        try:
            devices = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
            gpus = [_described(pynvml, device) for device in devices]
            cut_up = {gpu for gpu, device in zip(gpus, devices, strict=True) if _is_cut_up(pynvml, device)}
        finally:
            pynvml.nvmlShutdown()
    except pynvml.NVMLError as error:
        return FoundGpus(note=f"the driver does not answer: {error}")
    if not gpus:
        return FoundGpus(note="the driver knows none")
    seen = visible_gpus(gpus, visible)
    if not seen:
        return FoundGpus(note=f"CUDA_VISIBLE_DEVICES={visible!r} hides all {len(gpus)}")
    if cut_up.issuperset(seen):
        return FoundGpus(note="every one is in MIG mode, which is not supported")
    return FoundGpus(gpus=tuple(gpu for gpu in seen if gpu not in cut_up))


def _described(pynvml: Any, device: Any) -> Gpu:
    return Gpu.named(
        uuid=_text(pynvml.nvmlDeviceGetUUID(device)),
        name=_text(pynvml.nvmlDeviceGetName(device)),
        memory_mib=int(pynvml.nvmlDeviceGetMemoryInfo(device).total) // 2**20,
    )


def _is_cut_up(pynvml: Any, device: Any) -> bool:
    try:
        current, _ = pynvml.nvmlDeviceGetMigMode(device)
    except pynvml.NVMLError:  # most kinds cannot be
        return False
    return bool(current)


def _text(value: str | bytes) -> str:
    """Older versions of the package give bytes."""
    return value.decode() if isinstance(value, bytes) else value


def visible_gpus(gpus: list[Gpu], visible: str | None) -> list[Gpu]:
    """Those that CUDA_VISIBLE_DEVICES names, in its order: by number, or by the beginning of a UUID.

    As in CUDA, the first name that fits none ends the list. Numbers are the driver's (those of the PCI bus).
    """
    if visible is None:
        return gpus
    seen: list[Gpu] = []
    for name in visible.split(","):
        gpu = _named(gpus, name.strip())
        if gpu is None or gpu in seen:
            break
        seen.append(gpu)
    return seen


def _named(gpus: list[Gpu], name: str) -> Gpu | None:
    if name.isdecimal():
        return gpus[int(name)] if int(name) < len(gpus) else None
    fitting = [gpu for gpu in gpus if name and gpu.uuid.startswith(name)]
    return fitting[0] if len(fitting) == 1 else None
