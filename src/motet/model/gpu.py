"""GPUs: what a function asks for (`gpu="H100:2"`), and what a host has."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from motet.errors import InvalidError

ANY = "any"
SMALLEST_SHARE = 0.01

_FORM = r"(?P<kind>[A-Z0-9][A-Z0-9._+-]*?)(-(?P<memory>\d+)GB)?(?P<exact>!)?"
_MEMORY_TOLERANCE = 0.1
"""Drivers report less than the label says: 22.5 GiB for "24GB", 79.6 for "80GB"."""

_OTHER_NAMES = {"A10G": "A10"}
_TAKES_ALSO = {"H100": ("H200",), "B200+": ("B200", "B300")}
"""What a kind may be served by besides itself, unless it is asked for with "!"."""

_NOT_A_KIND = (
    r"NVIDIA|TESLA|GEFORCE|QUADRO|SXM\d*|PCIE|NVL|HBM\w*|\d+GB?|GPU|GRAPHICS|LAPTOP|GENERATION|BLACKWELL|SERVER|DEVICE"
    r"|WORKSTATION|EDITION|MAX|Q"
)
"""Words of a device's name that tell maker, form and memory."""


class Gpu(msgspec.Struct, frozen=True, kw_only=True):
    """One device of a host. `uuid` is what CUDA_VISIBLE_DEVICES takes; `kind` is what functions ask for: "H100"."""

    uuid: str
    kind: str
    memory_mib: int

    @classmethod
    def named(cls, *, uuid: str, name: str, memory_mib: int) -> Gpu:
        """The device that the driver calls `name`."""
        return cls(uuid=uuid, kind=kind_of(name), memory_mib=memory_mib)


class FoundGpus(msgspec.Struct, frozen=True, kw_only=True):
    """The GPUs of a host, in the driver's order; if there is none, `note` says why."""

    gpus: tuple[Gpu, ...] = ()
    note: str = ""


class GpuRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What one container needs: `count` GPUs of a kind, or a part of one that it shares (0.5).

    `kind` is in capitals, or "any". `memory_gb` holds it to devices of about that size; `exact`, to the kind itself where
    a better one would do as well (an H200 for an H100).
    """

    kind: str
    count: float = 1.0
    memory_gb: int | None = None
    exact: bool = False

    def __post_init__(self) -> None:
        whole = self.count >= 1 and self.count == int(self.count)
        if not whole and not SMALLEST_SHARE <= self.count < 1:
            raise InvalidError(
                f"`gpu` takes a whole number of GPUs or a share of one, from {SMALLEST_SHARE} to below 1, "
                f"got {self.count:g} of {self.kind}"
            )
        if self.exact and self.kind == ANY:
            raise InvalidError('`gpu="any!"` means nothing: "!" holds a request to one kind, such as "H100!"')

    @classmethod
    def parse(cls, text: str) -> GpuRequest:
        """From "H100", "H100:2", "any:0.5", "A100-80GB", "H100!:8"; capitals or not. Raises `InvalidError`."""
        name, colon, number = text.partition(":")
        form = re.fullmatch(_FORM, re.sub(r"[\s_]+", "-", name.strip()).upper())
        if form is None or (colon and not re.fullmatch(r"\d+|\d*\.\d+", number)):
            raise InvalidError(
                '`gpu` is a kind, or a kind and a count such as "A100:2" or a share such as "any:0.5"; '
                f'a kind is "any", or a name such as "H100", "H100!" or "A100-80GB"; got {text!r}'
            )
        kind = form["kind"]
        return cls(
            kind=ANY if kind == ANY.upper() else _OTHER_NAMES.get(kind, kind),
            count=float(number) if colon else 1.0,
            memory_gb=int(form["memory"]) if form["memory"] else None,
            exact=bool(form["exact"]),
        )

    @property
    def is_share(self) -> bool:
        return self.count < 1

    def accepts(self, gpu: Gpu) -> bool:
        """Whether such a device will do."""
        if self.memory_gb is not None:
            gib = gpu.memory_mib / 1024
            if abs(gib - self.memory_gb) > _MEMORY_TOLERANCE * self.memory_gb:
                return False
        if self.kind in (ANY, gpu.kind):
            return True
        return not self.exact and gpu.kind in _TAKES_ALSO.get(self.kind, ())

    def choices(self, gpus: Iterable[Gpu]) -> list[list[Gpu]]:
        """The devices that will do, like with like: those of its own kind first, smaller ones before larger ones."""
        groups: dict[tuple[bool, int, str], list[Gpu]] = {}
        for gpu in gpus:
            if self.accepts(gpu):
                groups.setdefault((gpu.kind != self.kind, gpu.memory_mib, gpu.kind), []).append(gpu)
        return [groups[key] for key in sorted(groups)]

    def __str__(self) -> str:
        memory = f"-{self.memory_gb}GB" if self.memory_gb is not None else ""
        count = f":{self.count:g}" if self.count != 1 else ""
        return f"{self.kind}{memory}{'!' if self.exact else ''}{count}"


def kind_of(name: str) -> str:
    """The kind of a device from the name its driver gives it: "NVIDIA A100-SXM4-40GB" is an "A100"."""
    words = [word for word in re.split(r"[\s_-]+", name.upper()) if word and not re.fullmatch(_NOT_A_KIND, word)]
    kind = "-".join(words or name.upper().split())
    return _OTHER_NAMES.get(kind, kind)
