"""What room for a container is in Ray's words."""

from __future__ import annotations

import pytest

from motet.clusters.ray_bundles import bundle_for, chosen, kinds_of, may_have
from motet.model.gpu import GpuRequest
from motet.model.reservation import RoomAsked
from motet.wire.cluster import ClusterNode

PLAIN = ClusterNode("plain", {"CPU": 4.0, "memory": 2.0 * 2**30}, {"zone": "a"})
H100 = ClusterNode("h100", {"CPU": 8.0, "GPU": 2.0, "accelerator_type:H100": 1.0}, {})
LABELLED = ClusterNode("l4", {"CPU": 8.0, "GPU": 1.0}, {"ray.io/accelerator-type": "L4"})
UNKNOWN = ClusterNode("unknown", {"CPU": 8.0, "GPU": 1.0}, {})
ALL = (PLAIN, H100, LABELLED, UNKNOWN)


def gpu(*texts: str) -> tuple[GpuRequest, ...]:
    return tuple(map(GpuRequest.parse, texts))


@pytest.mark.parametrize(
    ("asked", "bundle", "labels", "able"),
    [
        (RoomAsked(cpu=2), {"CPU": 2}, {}, ["plain", "h100", "l4", "unknown"]),
        (RoomAsked(cpu=5), {"CPU": 5}, {}, ["h100", "l4", "unknown"]),
        (RoomAsked(memory_mib=1024), {"memory": 2**30}, {}, ["plain"]),
        (RoomAsked(), {"CPU": 0.001}, {}, ["plain", "h100", "l4", "unknown"]),
        (RoomAsked(cpu=1, gpu=gpu("H100:2")), {"CPU": 1, "GPU": 2, "accelerator_type:H100": 0.001}, {}, ["h100"]),
        (RoomAsked(gpu=gpu("L4")), {"GPU": 1}, {"ray.io/accelerator-type": "L4"}, ["l4"]),
        (RoomAsked(gpu=gpu("any")), {"GPU": 1}, {}, ["h100", "l4", "unknown"]),
        (RoomAsked(gpu=gpu("H100:0.5")), {"GPU": 1, "accelerator_type:H100": 0.001}, {}, ["h100"]),
        (RoomAsked(gpu=gpu("B200")), {"GPU": 1, "accelerator_type:B200": 0.001}, {}, []),
        (RoomAsked(labels=(("zone", "a"),)), {"CPU": 0.001}, {"zone": "a"}, ["plain"]),
        (RoomAsked(resources=(("licence", 1.0),)), {"licence": 1}, {}, []),
    ],
)
def test_a_bundle_has_what_is_asked_for(
    asked: RoomAsked, bundle: dict[str, float], labels: dict[str, str], able: list[str]
) -> None:
    assert bundle_for(asked, ALL) == (bundle, labels)
    assert [node.host_id for node in ALL if may_have(asked, node)] == able


@pytest.mark.parametrize(
    ("requests", "request_chosen"),
    [
        (("H100", "L4"), "H100"),
        (("H100:8", "L4"), "L4"),
        (("B200", "any:2"), "any:2"),
        (("B200", "H100:4"), "B200"),
    ],
)
def test_the_first_kind_that_a_node_of_the_cluster_has_is_asked_for(
    requests: tuple[str, ...], request_chosen: str
) -> None:
    assert chosen(gpu(*requests), ALL) == GpuRequest.parse(request_chosen)


def test_kinds_are_known_by_label_or_resource() -> None:
    assert [kinds_of(node) for node in ALL] == [(), ("H100",), ("L4",), ()]
