"""What of Ray's API is used, and how: nodes, placement groups, and one actor a node. All of it waits, on whatever thread."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from motet.clusters.ray_actor import AgentKeeper, gpu_ids
from motet.clusters.ray_bundles import bundle_for, chosen, kinds_of, whole
from motet.errors import ServiceError
from motet.model.gpu import Gpu
from motet.model.reservation import RoomAsked
from motet.wire.cluster import ClusterNode

_AGENT = "host-agent:"
"""What names of actors begin with. They end at random: a name is not free at once when its actor has been killed."""

OLDEST = (2, 49)
"""Of Ray's releases: bundles have had label selectors since."""


class RayCluster:
    """A connection to a cluster, of one process. `address`: "auto", or the host and port of its head. `home`: whose
    reservations and agents they are. Raises `ServiceError`."""

    def __init__(self, address: str, home: str) -> None:
        if importlib.util.find_spec("ray") is None:
            raise ServiceError(
                "Ray is not installed here: pip install 'motet[ray]', in the release that the cluster has"
            )
        import ray

        if tuple(map(int, ray.__version__.split(".")[:2])) < OLDEST:
            raise ServiceError(
                f"Ray {ray.__version__} is too old: install {'.'.join(map(str, OLDEST))} or later here and on the cluster"
            )
        self._ray: Any = ray
        self._namespace = f"motet-{home}"
        try:
            ray.init(
                address=address,
                namespace=self._namespace,
                log_to_driver=False,
                logging_level=logging.ERROR,
                configure_logging=False,
            )
        except Exception as error:
            raise ServiceError(_why_not(address, error)) from error
        self.what = f"the Ray cluster at {ray.get_runtime_context().gcs_address}"
        """In words."""
        self.own_ip: str = ray.util.get_node_ip_address()
        self._nodes: dict[str, str] = {}
        """The ids of nodes that were found, by host."""
        self._keepers: dict[str, Any] = {}

    # --- nodes -------------------------------------------------------------------------------------------------------------

    def nodes(self) -> tuple[ClusterNode, ...]:
        """Those that live."""
        found = []
        for node in self._ray.nodes():
            if not node["Alive"]:
                continue
            host_id = f"{node['NodeName']}-{node['NodeID'][:8]}"
            self._nodes[host_id] = node["NodeID"]
            found.append(ClusterNode(host_id, dict(node["Resources"]), _labels(node)))
        return tuple(sorted(found, key=lambda node: node.host_id))

    def host_of(self, node_id: str) -> str:
        """The host that a node is; empty: none that lives."""
        by_node = {each: host_id for host_id, each in self._nodes.items()}
        if node_id not in by_node:
            self.nodes()
            by_node = {each: host_id for host_id, each in self._nodes.items()}
        return by_node.get(node_id, "")

    # --- reservations ------------------------------------------------------------------------------------------------------

    def reserve(self, name: str, asked: RoomAsked, nodes: Sequence[ClusterNode]) -> Any:
        """Ask for a placement group of this name, which outlives this process."""
        from ray.util.placement_group import placement_group

        bundle, selector = bundle_for(asked, nodes)
        selectors = {"bundle_label_selector": [selector]} if selector else {}
        return placement_group([bundle], strategy="PACK", name=name, lifetime="detached", **selectors)

    def wait(self, group: Any, seconds: int) -> bool:
        """Whether it is made within so many seconds."""
        return bool(group.wait(seconds))

    def where(self, group: Any) -> tuple[str, str]:
        """The state of a placement group, and its node's host; empty: none yet."""
        from ray.util.placement_group import placement_group_table

        found = placement_group_table(group)
        node_id = next(iter(found.get("bundles_to_node_id", {}).values()), "")
        return found.get("state", "REMOVED"), self.host_of(node_id) if node_id else ""

    def groups(self) -> dict[str, Any]:
        """The placement groups of this home that there are, by name."""
        from ray.util.placement_group import get_placement_group, placement_group_table

        found = {}
        for each in placement_group_table().values():
            if each["state"] != "REMOVED" and each["name"].startswith(f"{self._namespace}:"):
                try:
                    found[each["name"].partition(":")[2]] = get_placement_group(each["name"])
                except ValueError:
                    continue  # it went meanwhile
        return found

    def named(self, name: str) -> str:
        """The full name of a placement group: names are the cluster's, and not a namespace's alone."""
        return f"{self._namespace}:{name}"

    def give_back(self, group: Any) -> None:
        """Have a placement group removed."""
        from ray.util.placement_group import remove_placement_group

        remove_placement_group(group)

    def gpus(self, group: Any, asked: RoomAsked, host_id: str, nodes: Sequence[ClusterNode]) -> tuple[Gpu, ...]:
        """The devices that a placement group has. Raises what Ray does if its node goes meanwhile."""
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        request = chosen(asked.gpu, nodes)
        count = whole(request)
        task = self._ray.remote(gpu_ids).options(
            num_cpus=0, num_gpus=count, scheduling_strategy=PlacementGroupSchedulingStrategy(group), max_retries=2
        )
        node = next((each for each in nodes if each.host_id == host_id), None)
        kinds = kinds_of(node) if node is not None else ()
        kind = kinds[0] if kinds else request.kind
        return tuple(Gpu(uuid=each, kind=kind, memory_mib=0) for each in self._ray.get(task.remote(), timeout=60))

    # --- agents ------------------------------------------------------------------------------------------------------------

    def start_agent(self, host_id: str, settings: bytes) -> Any:
        """An actor on that node which keeps an agent; what its end will be."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        keeper = (
            self._ray.remote(AgentKeeper)
            .options(
                name=f"{_AGENT}{host_id}:{secrets.token_hex(4)}",
                lifetime="detached",
                num_cpus=0,
                max_restarts=-1,
                max_concurrency=3,
                scheduling_strategy=NodeAffinitySchedulingStrategy(self._nodes[host_id], soft=False),
            )
            .remote(settings)
        )
        self._keepers[host_id] = keeper
        return keeper.watch.options(max_task_retries=0).remote()

    def await_end(self, watched: Any) -> tuple[int, str]:
        """Wait for that end."""
        try:
            status, why = self._ray.get(watched)
        except self._ray.exceptions.RayError as error:
            return -1, _first_sentence(error)
        return int(status), str(why)

    def end_agent(self, host_id: str, seconds: float = 40.0) -> None:
        """Have an actor end its agent, and be ended. Idempotent."""
        keeper = self._keepers.pop(host_id, None)
        if keeper is None:
            return
        with contextlib.suppress(self._ray.exceptions.RayError, TimeoutError):  # its node is gone, or hangs
            self._ray.get(keeper.end.remote(), timeout=seconds)
        self._kill(keeper)

    def end_agents_before(self) -> None:
        """End those of this home that a driver before this one has left."""
        for name in self._ray.util.list_named_actors():
            host_id = name.removeprefix(_AGENT).rpartition(":")[0]
            if name.startswith(_AGENT) and host_id not in self._keepers:
                with contextlib.suppress(ValueError):  # it went meanwhile
                    self._kill(self._ray.get_actor(name))

    def take_over_agent(self, host_id: str) -> Any | None:
        """The end of an agent that a driver before this one has started; None: there is none."""
        for name in self._ray.util.list_named_actors():
            if name.startswith(f"{_AGENT}{host_id}:"):
                with contextlib.suppress(ValueError):  # it went meanwhile
                    keeper = self._keepers[host_id] = self._ray.get_actor(name)
                    return keeper.watch.options(max_task_retries=0).remote()
        return None

    def _kill(self, keeper: Any) -> None:
        self._ray.kill(keeper, no_restart=True)

    def close(self) -> None:
        """Leave the cluster."""
        self._ray.shutdown()


def _labels(node: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in (node.get("Labels") or {}).items()}


def _first_sentence(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _why_not(address: str, error: BaseException) -> str:
    """One line of what `ray.init` says in many."""
    where = "on this machine" if address == "auto" else f"at {address}"
    text = " ".join(str(error).split())
    lower = text.lower()
    if "version mismatch" in lower:
        return f"the cluster {where} has another release of Ray or Python than this server: {text}"
    if "token" in lower and "auth" in lower:
        return (
            f"the Ray cluster {where} wants a token that this server does not show: set RAY_AUTH_MODE=token and "
            f"RAY_AUTH_TOKEN (or RAY_AUTH_TOKEN_PATH) as on its nodes ({text})"
        )
    if isinstance(error, ConnectionError) or "failed to connect" in lower or "could not find" in lower:
        return (
            f"there is no Ray cluster {where}: start one with `ray start --head`, or join this machine to it with "
            f"`ray start --address=HOST:PORT --num-cpus=0` ({text})"
        )
    return f"the Ray cluster {where} cannot be used: {text}"
