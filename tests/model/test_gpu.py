"""What functions ask for, and how the names that drivers give devices are read."""

from __future__ import annotations

from typing import Any

import pytest

from motet.errors import InvalidError
from motet.model.gpu import Gpu, GpuRequest, kind_of


@pytest.mark.parametrize(
    ("text", "fields", "shown"),
    [
        ("H100", {"kind": "H100"}, "H100"),
        ("h100:2", {"kind": "H100", "count": 2}, "H100:2"),
        (" H100 ", {"kind": "H100"}, "H100"),
        ("H100!", {"kind": "H100", "exact": True}, "H100!"),
        ("H100!:8", {"kind": "H100", "exact": True, "count": 8}, "H100!:8"),
        ("any", {"kind": "any"}, "any"),
        ("ANY:0.5", {"kind": "any", "count": 0.5}, "any:0.5"),
        ("H100:.25", {"kind": "H100", "count": 0.25}, "H100:0.25"),
        ("H100:2.0", {"kind": "H100", "count": 2}, "H100:2"),
        ("a100-40gb", {"kind": "A100", "memory_gb": 40}, "A100-40GB"),
        ("A100-80GB:4", {"kind": "A100", "memory_gb": 80, "count": 4}, "A100-80GB:4"),
        ("A10G", {"kind": "A10"}, "A10"),
        ("L40S", {"kind": "L40S"}, "L40S"),
        ("B200+", {"kind": "B200+"}, "B200+"),
        ("RTX-PRO-6000", {"kind": "RTX-PRO-6000"}, "RTX-PRO-6000"),
        ("rtx 4090", {"kind": "RTX-4090"}, "RTX-4090"),
    ],
)
def test_request_is_read_from_text(text: str, fields: dict[str, Any], shown: str) -> None:
    request = GpuRequest.parse(text)
    assert request == GpuRequest(**fields)
    assert str(request) == shown
    assert GpuRequest.parse(shown) == request


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "`gpu` is a kind, or a kind and a count"),
        (":2", "`gpu` is a kind, or a kind and a count"),
        ("H100:", "got 'H100:'"),
        ("H100:two", "got 'H100:two'"),
        ("H100:-1", "got 'H100:-1'"),
        ("H100:nan", "got 'H100:nan'"),
        ("H100:1e3", "got 'H100:1e3'"),
        ("H100:2:3", "got 'H100:2:3'"),
        ("!", "got '!'"),
        ("H100!!", "got 'H100!!'"),
        ("H100,A100", "got 'H100,A100'"),
        ("H100:0", "a whole number of GPUs or a share of one, from 0.01 to below 1, got 0 of H100"),
        ("H100:1.5", "got 1.5 of H100"),
        ("any:0.001", "got 0.001 of any"),
        ("any!", "means nothing"),
    ],
)
def test_request_that_cannot_be_read_is_refused(text: str, problem: str) -> None:
    with pytest.raises(InvalidError) as caught:
        GpuRequest.parse(text)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA H100 PCIe", "H100"),
        ("NVIDIA H100 NVL", "H100"),
        ("NVIDIA H200", "H200"),
        ("NVIDIA H200 NVL", "H200"),
        ("NVIDIA B200", "B200"),
        ("NVIDIA GH200 480GB", "GH200"),
        ("NVIDIA GH200 144G HBM3e", "GH200"),
        ("NVIDIA A100-SXM4-40GB", "A100"),
        ("NVIDIA A100-SXM4-80GB", "A100"),
        ("NVIDIA A100 80GB PCIe", "A100"),
        ("A100-PCIE-40GB", "A100"),
        ("NVIDIA A10G", "A10"),
        ("NVIDIA A10", "A10"),
        ("NVIDIA L4", "L4"),
        ("NVIDIA L40S", "L40S"),
        ("Tesla T4", "T4"),
        ("Tesla V100-SXM2-16GB", "V100"),
        ("NVIDIA GeForce RTX 4090", "RTX-4090"),
        ("NVIDIA GeForce RTX 3070 Laptop GPU", "RTX-3070"),
        ("NVIDIA RTX 6000 Ada Generation", "RTX-6000-ADA"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "RTX-PRO-6000"),
        ("NVIDIA RTX A6000", "RTX-A6000"),
        ("NVIDIA Graphics Device", "NVIDIA-GRAPHICS-DEVICE"),
        ("", ""),
    ],
)
def test_kind_is_what_remains_of_a_name_without_maker_form_and_memory(name: str, kind: str) -> None:
    assert kind_of(name) == kind


def gpu(name: str, memory_mib: int, uuid: str = "") -> Gpu:
    return Gpu.named(uuid=uuid or name, name=name, memory_mib=memory_mib)


H100 = gpu("NVIDIA H100 80GB HBM3", 81_559)
H200 = gpu("NVIDIA H200", 143_771)
A100_40 = gpu("NVIDIA A100-SXM4-40GB", 40_536)
A100_80 = gpu("NVIDIA A100 80GB PCIe", 81_920)
L4 = gpu("NVIDIA L4", 23_034)
A10 = gpu("NVIDIA A10G", 23_028)
B200 = gpu("NVIDIA B200", 183_359)
EVERY = [H100, H200, A100_40, A100_80, L4, A10, B200]


@pytest.mark.parametrize(
    ("text", "accepted"),
    [
        ("any", EVERY),
        ("H100", [H100, H200]),
        ("H100!", [H100]),
        ("H200", [H200]),
        ("A100", [A100_40, A100_80]),
        ("A100-40GB", [A100_40]),
        ("A100-80GB", [A100_80]),
        ("A10G", [A10]),
        ("A10", [A10]),
        ("L4", [L4]),
        ("L4-24GB", [L4]),
        ("any-24GB", [L4, A10]),
        ("B200+", [B200]),
        ("L40S", []),
    ],
)
def test_request_accepts_its_kind_and_what_may_stand_in_for_it(text: str, accepted: list[Gpu]) -> None:
    assert [gpu for gpu in EVERY if GpuRequest.parse(text).accepts(gpu)] == accepted


def test_choices_are_alike_and_the_least_that_will_do_comes_first() -> None:
    other = gpu("NVIDIA H100 80GB HBM3", 81_559, "another")
    assert GpuRequest.parse("H100").choices([H200, H100, L4, other]) == [[H100, other], [H200]]
    assert GpuRequest.parse("any").choices([H100, L4, A100_40]) == [[L4], [A100_40], [H100]]
    assert GpuRequest.parse("T4").choices(EVERY) == []
