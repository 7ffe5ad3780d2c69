"""What an engine promises at every instant; tests ask after each step."""

from __future__ import annotations

from collections.abc import Mapping

from motet.core.containers import DRAINING, READY, STOPPING
from motet.core.fleet import COUNTED, Fleet
from motet.core.inputs import DELAYED, RUNNING, WAITING, Call
from motet.core.pool import Pool
from motet.core.state import State
from motet.errors import InternalError


def check(state: State) -> None:
    """Raise `InternalError` unless every promise holds. It looks at everything."""
    pools, host = state.pools.values(), state.host
    for pool in pools:
        _check_pool(pool, state.calls)
    every = [container for pool in pools for container in pool.fleet.containers.values()]
    facts = {
        "starting": host.starting == sum(pool.fleet.starting for pool in pools),
        "containers of the host": host.containers == len(state.containers) + len(state.sandboxes),
        "leaving": host.leaving == sum(container.state is STOPPING for container in every),
        "draining": host.draining == sum(container.state is DRAINING for container in every),
        **host.devices.check(),
        **host.hosts.check(every),
        **state.calls.check(),
        "containers": set(state.containers.values()) == set(every),
        "each container knows its function": all(
            container.function_id == pool.function_id for pool in pools for container in pool.fleet.containers.values()
        ),
        "shares": all(
            pool.fleet.share.containers
            == sum(len(each.fleet.containers) for each in pools if each.app_id == pool.app_id)
            + state.sandboxes.within(pool.fleet.share)
            and pool.fleet.share.live == sum(each.fleet.live for each in pools if each.app_id == pool.app_id)
            for pool in pools
        ),
        "inputs of shares": all(
            share.inputs == sum(len(each.inputs) for each in state.calls.values() if share in each.shares)
            for call in state.calls.values()
            for share in call.shares
        ),
        "alarms": not any(
            item.state is RUNNING and state.pools[call.function_id].alarm.due == float("inf")
            for call in state.calls.values()
            for item in call.inputs.values()
        ),
    }
    _raise_if_broken(facts, "engine")


def _check_pool(pool: Pool, calls: Mapping[str, Call]) -> None:
    _check_fleet(pool.fleet)
    pool.size.check()
    containers = pool.fleet.containers.values()
    mine = [i for c in calls.values() if c.function_id == pool.function_id for i in c.inputs.values()]
    held = {item.attempt: item for c in containers for item in pool.slots.inputs_of(c)}
    settling = pool.unserved.left or pool.closed
    facts = {
        "running": pool.running == len(held) == sum(i.state is RUNNING for i in mine),
        "waiting": pool.waiting == sum(i.state is WAITING and i.call.cancelled is None for i in mine),
        "each running input is where it thinks": all(i.attempt == n for n, i in held.items()),
        "deadlines": pool.deadlines.attempts == set(held),
        "no free slot while inputs wait": settling
        or pool.slots.none_due
        or pool.fleet.index.emptiest_below(pool.fleet.max_inputs) is None,
        "suspects": all(i.suspect and i.state is WAITING for i in pool.isolation),
        "set aside only for suspects": not pool.isolation.idle
        or not any(c.exclusive and c.state is READY for c in containers),
        "somebody will serve those who wait": not pool.waiting
        or settling
        or pool.size.held
        or bool(pool.size.wanted or pool.fleet.containers),
        "who waits for too long is noticed": pool.unserved.may_be or not pool.queue_times.line,
        "states": all(i.state in (WAITING, DELAYED, RUNNING) for i in mine),
        **pool.slots.check(),
        **pool.earlier.check(),
    }
    _raise_if_broken(facts, f"pool of {pool.spec.name}", f": {mine} {pool.fleet.containers}")


def _check_fleet(fleet: Fleet) -> None:
    alive = list(fleet.containers.values())
    facts = {
        "live": fleet.live == sum(c.state in COUNTED for c in alive),
        "starting": fleet.starting == len(fleet.graces.starts),
        **fleet.graces.check(alive),
        "stuck": all(c.stuck <= c.running.keys() or c.state is STOPPING for c in alive),
        "no move is due": not any(c.caused for c in alive),
        "held up": fleet.held_up == {c for c in alive if c.is_held_up},
        "max_inputs": all(len(c.running) <= fleet.max_inputs for c in alive),
        "routable": all((c in fleet.index) == c.takes_inputs for c in alive),
        "busy ones are not stopped": fleet.graces.closing
        or not any(c.state is STOPPING and any(c.running.values()) for c in alive),
    }
    _raise_if_broken(facts, f"fleet of {fleet.function_id}", f": {alive}")


def _raise_if_broken(facts: Mapping[str, bool], whose: str, more: str = "") -> None:
    broken = [name for name, holds in facts.items() if not holds]
    if broken:
        raise InternalError(f"{whose}: {', '.join(broken)}{more}")
