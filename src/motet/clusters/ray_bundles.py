"""What room for a container is in Ray's words: a bundle of resources, and labels of its node."""

from __future__ import annotations

from collections.abc import Sequence

from motet.model.gpu import ANY, GpuRequest, kind_of
from motet.model.reservation import RoomAsked
from motet.wire.cluster import ClusterNode

MIB = 1024 * 1024

_ACCELERATOR = "accelerator_type:"
_ACCELERATOR_LABEL = "ray.io/accelerator-type"


def bundle_for(asked: RoomAsked, nodes: Sequence[ClusterNode]) -> tuple[dict[str, float], dict[str, str]]:
    """What a placement group is to have for it: resources and labels, by Ray's names."""
    bundle: dict[str, float] = {}
    if asked.cpu:
        bundle["CPU"] = asked.cpu
    if asked.memory_mib:
        bundle["memory"] = asked.memory_mib * MIB
    selector = dict(asked.labels)
    if asked.gpu:
        request = chosen(asked.gpu, nodes)
        bundle["GPU"] = whole(request)
        if request.kind != ANY:
            by_label = [
                each.labels[_ACCELERATOR_LABEL]
                for each in nodes
                if _ACCELERATOR_LABEL in each.labels and kind_of(each.labels[_ACCELERATOR_LABEL]) == request.kind
            ]
            if by_label:
                selector[_ACCELERATOR_LABEL] = by_label[0]
            else:
                bundle[f"{_ACCELERATOR}{_ray_name(request.kind, nodes)}"] = 0.001
    bundle.update(asked.resources)
    return bundle or {"CPU": 0.001}, selector


def chosen(requests: Sequence[GpuRequest], nodes: Sequence[ClusterNode]) -> GpuRequest:
    """Which of several requests the cluster is asked for: the first that a node of it can meet, or the first."""
    for request in requests:
        for node in nodes:
            has_kind = request.kind == ANY or request.kind in kinds_of(node)
            if has_kind and node.resources.get("GPU", 0) >= whole(request):
                return request
    return requests[0]


def whole(request: GpuRequest) -> int:
    """Devices that are reserved for it: a share is one of a whole one, which containers of the host share."""
    return max(1, int(request.count))


def kinds_of(node: ClusterNode) -> tuple[str, ...]:
    """The kinds of GPUs that a node has."""
    told = [node.labels[_ACCELERATOR_LABEL]] if _ACCELERATOR_LABEL in node.labels else []
    told += [name.removeprefix(_ACCELERATOR) for name in node.resources if name.startswith(_ACCELERATOR)]
    return tuple(dict.fromkeys(kind_of(each) for each in told))


def may_have(asked: RoomAsked, node: ClusterNode) -> bool:
    """Whether a node that has nothing else could have this room."""
    bundle, selector = bundle_for(asked, [node])
    return all(node.resources.get(name, 0.0) >= amount for name, amount in bundle.items()) and all(
        node.labels.get(name) == value for name, value in selector.items()
    )


def _ray_name(kind: str, nodes: Sequence[ClusterNode]) -> str:
    """What the cluster calls a kind of GPU."""
    for node in nodes:
        for name in node.resources:
            if name.startswith(_ACCELERATOR) and kind_of(name.removeprefix(_ACCELERATOR)) == kind:
                return name.removeprefix(_ACCELERATOR)
    return kind
