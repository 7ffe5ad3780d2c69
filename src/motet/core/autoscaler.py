"""How many containers a pool should have."""

from __future__ import annotations

import msgspec

from motet.model.scaling import AutoscalerSettings


class Demand(msgspec.Struct, frozen=True, gc=False):
    """What a pool's inputs ask for.

    `inputs` share containers: those that wait, and the slots taken in containers that may be given more. `alone` is the
    number of containers set aside for one input each. `active`: there is any input at all, if only in a container that
    takes no more. Where inputs run in batches, `inputs` counts batches, full ones as far as inputs wait, and `unit` says so.
    """

    inputs: int
    alone: int = 0
    active: bool = True
    unit: str = "inputs"


class ScalingDecision(msgspec.Struct, frozen=True, gc=False):
    """The size a pool should have now, and what it follows from; `reason` puts that in words."""

    desired: int
    demand: Demand
    target_inputs: int
    buffer: int
    limit: int

    @property
    def reason(self) -> str:
        """Why `desired` is what it is, for humans."""
        needed = containers_for(self.demand, self.target_inputs)
        wanted = needed + self.buffer
        if self.desired > wanted:
            return f"min_containers={self.desired}"
        demand = self.demand
        text = f"{demand.inputs} {demand.unit} at {self.target_inputs} each"
        text += f" and {demand.alone} alone" if demand.alone else ""
        text += f" want {needed}"
        text += f" + {self.buffer} buffer" if self.buffer else ""
        return text if self.desired == wanted else f"{text}, limited to {self.limit}"


def containers_for(demand: Demand, target_inputs: int) -> int:
    """The containers that have room for this demand."""
    return -(-demand.inputs // target_inputs) + demand.alone


def most_containers(settings: AutoscalerSettings, host_limit: int, device_limit: int | None = None) -> int:
    """`max_containers`; without one, what the host allows, or `min_containers` where that is more. Never more than it has
    devices for, if they need any."""
    most = settings.max_containers
    if most is None:
        most = max(host_limit, settings.min_containers)
    return most if device_limit is None else min(most, device_limit)


def decide(
    demand: Demand, target_inputs: int, settings: AutoscalerSettings, host_limit: int, device_limit: int | None = None
) -> ScalingDecision:
    """The containers that `demand` calls for, at `target_inputs` in each.

    On top come `buffer_containers` while there are inputs at all; the result is within `min_containers` and
    `max_containers` (or `host_limit` where the latter is None), and within `device_limit`. Containers above it are not
    stopped for that: they go when they have been idle for the scale-down window.
    """
    buffer = settings.buffer_containers if demand.active else 0
    limit = most_containers(settings, host_limit, device_limit)
    wanted = containers_for(demand, target_inputs) + buffer
    return ScalingDecision(min(max(wanted, settings.min_containers), limit), demand, target_inputs, buffer, limit)
