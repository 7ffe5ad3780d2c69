"""Which host gets a container, what becomes of those on a host that goes, and what is said to who waits for room."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given
from msgspec.structs import replace

from motet.core.commands import FindGpus
from motet.core.host import HostLimits
from motet.core.placement import Need, Room, may_ever_have, place
from motet.model.function import FunctionSpec, Resources
from motet.model.gpu import Gpu, GpuRequest
from motet.model.host import OWN_HOST, HostSpec
from motet.testing.playbook import Playbook
from motet.testing.transcript import (
    container_id,
    deliver,
    ended,
    finished,
    function,
    gpus_found,
    host,
    host_changed,
    host_lost,
    kill,
    ready,
    send,
    settings,
    start,
    stop,
    submit,
)

H100, L4 = "NVIDIA H100 80GB HBM3", "NVIDIA L4"


def shortage(play: Playbook, name: str = "f") -> str:
    return play.engine.inspection.view(f"fu-{name}", play.now).shortage


def room(host_id: str, *gpus: str, containers: int = 0, weight: float = 0.0, alike: int = 0, **has: object) -> Room:
    """A host whose containers weigh so many cores, of which they have asked for as many."""
    devices = tuple(Gpu.named(uuid=f"{host_id}-{n}", name=name, memory_mib=81_559) for n, name in enumerate(gpus))
    spec = HostSpec(host_id=host_id, gpus=devices, **has)  # type: ignore[arg-type]
    parts = round(weight * 10_000)
    return Room(host=spec, containers=containers, weight=parts, cpu=parts, alike=alike)


def need(cpu: float | None = None, memory_mib: int | None = None, gpu: tuple[str, ...] = (), **more: object) -> Need:
    asked = Need.of(Resources(cpu=cpu, memory_mib=memory_mib, gpu=tuple(map(GpuRequest.parse, gpu))))
    return Need(cpu=asked.cpu, memory_mib=asked.memory_mib, gpu=asked.gpu, **more)  # type: ignore[arg-type]


# --- placement --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "rooms", "chosen"),
    [
        (need(), [], None),
        (need(), [room("a"), room("b")], "a"),
        (need(2), [room("a", cpu=1), room("b", cpu=2)], "b"),
        (need(2), [room("a", cpu=2, weight=0.5), room("b", cpu=2)], "b"),
        (need(2), [room("a", cpu=1)], None),
        (need(memory_mib=100), [room("a", memory_mib=99), room("b", memory_mib=100)], "b"),
        (need(), [room("a", containers=2, leaving="ends"), room("b")], "b"),
        (need(), [room("a", silent="does not answer"), room("b")], "b"),
        # Packed: one in use, as long as each container has a core; then the least busy.
        (need(1), [room("a", cpu=4), room("b", cpu=4, containers=1, weight=1)], "b"),
        (need(1), [room("a", cpu=4, containers=1, weight=1), room("b", cpu=4, containers=2, weight=2)], "b"),
        (need(), [room("a", cpu=2, containers=2, weight=2), room("b", cpu=2, containers=1, weight=1)], "b"),
        (need(), [room("a", cpu=2, containers=4, weight=4), room("b", cpu=2, containers=2, weight=2)], "b"),
        # Source that cannot be had there, or has no room.
        (need(bundle="b1"), [room("a"), room("b", bundles="/b")], "b"),
        (need(bundle="b1"), [room("a", bundles="/b", without={"b1": "full"}), room("b", bundles="/b")], "b"),
        (need(bundle="b1"), [room(OWN_HOST)], OWN_HOST),
        # Spread: fewest of the function, then the least busy.
        (need(where="spread"), [room("a", cpu=4, containers=1, alike=1, weight=1), room("b", cpu=4)], "b"),
        (
            need(where="spread"),
            [room("a", cpu=4, containers=1, alike=1, weight=1), room("b", cpu=4, containers=3, weight=3)],
            "b",
        ),
        # Who needs no GPU leaves those that have some to others, if it can.
        (need(), [room("a", H100), room("b", containers=9)], "b"),
        (need(), [room("a", H100)], "a"),
        (need(gpu=("L4",)), [room("a", H100), room("b", L4)], "b"),
        (need(gpu=("H100", "L4")), [room("a", L4), room("b", H100)], "b"),  # preferred, wherever it is
        (need(gpu=("H100:2", "L4")), [room("a", H100), room("b", L4)], "b"),
        (need(gpu=("H100:2",)), [room("a", H100), room("b", H100)], None),  # of one host
        (need(labels={"zone": "b"}), [room("a", labels={"zone": "a"}), room("b", labels={"zone": "b"})], "b"),
        (need(labels={"zone": "c"}), [room("a", labels={"zone": "a"})], None),
        (need(resources={"fpga": 10_000}), [room("a"), room("b", resources={"fpga": 1.0})], "b"),
    ],
)
def test_a_container_goes_where_there_is_what_it_asks_for(asked: Need, rooms: list[Room], chosen: str | None) -> None:
    placed = place(asked, rooms)
    assert (None if placed is None else placed.host_id) == chosen


@st.composite
def rooms(draw: st.DrawFn) -> list[Room]:
    """Hosts that have given something already, each with another id."""
    return [
        Room(
            host=HostSpec(
                host_id=f"h{number}",
                cpu=draw(st.none() | st.sampled_from([1.0, 2.0, 8.0])),
                memory_mib=draw(st.none() | st.integers(0, 2000)),
                gpus=tuple(
                    Gpu.named(uuid=f"h{number}-{n}", name=name, memory_mib=81_559)
                    for n, name in enumerate(draw(st.lists(st.sampled_from([H100, L4]), max_size=3)))
                ),
                labels=draw(st.sampled_from([{}, {"zone": "a"}, {"zone": "b"}])),
                containers=draw(st.none() | st.integers(0, 3)),
                leaving=draw(st.sampled_from(["", "", "ends"])),
            ),
            containers=draw(st.integers(0, 3)),
            cpu=draw(st.integers(0, 20_000)),
            weight=draw(st.integers(0, 40_000)),
        )
        for number in range(draw(st.integers(0, 6)))
    ]


NEEDS = st.builds(
    need,
    st.none() | st.sampled_from([0.1, 1.0, 4.0]),
    st.none() | st.integers(1, 2000),
    st.sampled_from([(), ("H100",), ("any:0.5",), ("H100:2", "L4")]),
    labels=st.sampled_from([{}, {"zone": "a"}]),
    where=st.sampled_from(["pack", "spread"]),
)


@given(NEEDS, rooms())
def test_what_is_placed_fits_and_what_is_not_fits_nowhere(asked: Need, rooms: list[Room]) -> None:
    placed = place(asked, rooms)
    if placed is None:
        assert all(place(asked, [one]) is None for one in rooms)
        return
    chosen = next(one for one in rooms if one.host.host_id == placed.host_id)
    assert chosen.fits(asked)
    assert not chosen.is_full
    assert not chosen.host.leaving
    assert set(placed.grant.gpus) <= set(chosen.host.gpus)
    assert bool(placed.grant.gpus) == bool(asked.gpu)
    assert may_ever_have(asked, chosen.host)


@given(NEEDS, rooms())
def test_what_is_asked_for_is_placed_in_order_of_preference_alone(asked: Need, rooms: list[Room]) -> None:
    """Where hosts stand in the list decides among equals alone: what is given does not depend on it."""
    one, other = place(asked, rooms), place(asked, rooms[::-1])
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert [gpu.kind for gpu in one.grant.gpus][:1] == [gpu.kind for gpu in other.grant.gpus][:1] or asked.gpu[
            0
        ].kind == "any"


# --- containers on hosts ----------------------------------------------------------------------------------------------


def test_containers_are_packed_on_the_own_machine_and_then_on_a_host_that_has_joined() -> None:
    with Playbook(limits=HostLimits(containers=1, cores=2)) as play:
        play >> function("f")
        play >> host("a", cpu=2)
        play >> submit("a", 2) << start(1) << start(2, host="a")
        play >> ready(1, 2) << deliver(2, "a0#1") << deliver(1, "a1#2")
        assert [view.containers for view in play.engine.inspection.hosts()] == [1, 1]


def test_what_waits_for_room_starts_when_a_host_joins_that_has_it() -> None:
    with Playbook(limits=HostLimits(own=False)) as play:
        play >> function("f", cpu=2)
        play >> submit("a", 1)
        assert shortage(play) == "waiting for a host: 2 CPU is asked for, and none has joined yet"
        play >> host("small", cpu=1)
        assert shortage(play).startswith("waiting for 2 CPU: no host has that (1 host; ")
        play >> host("large", cpu=2) << start(1, host="large")
        assert shortage(play) == ""


def test_what_is_taken_is_said_to_be_taken_and_starts_when_it_is_given_back() -> None:
    with Playbook(limits=HostLimits(own=False)) as play:
        play >> function("f", cpu=2, max_containers=1)
        play >> function("g", cpu=2)
        play >> host("a", cpu=3)
        play >> submit("a", 1) << start(1, host="a")
        play >> ready(1) << deliver(1, "a0#1")
        play >> submit("b", 1, function="g")
        assert shortage(play, "g") == "waiting for 2 CPU: taken on 1 of 1 host"
        # The other is idle then, and nobody needs it: it makes room at once.
        play >> finished(1, 1) << stop(1, reason="another function needs its room on its host") << send("a", 0)
        play >> ended(1) << start(2, function="g", host="a")


def test_what_needs_the_servers_own_machine_waits_for_that_and_goes_to_no_other() -> None:
    with Playbook(limits=HostLimits(containers=1)) as play:
        play >> host("a", cpu=64)
        play >> replace(function("f"), own_host=True)
        play >> submit("a", 2) << start(1)
        assert shortage(play) == (
            "waiting for a container on the server's own machine (its files or walls are not on other hosts): "
            "taken on 1 of 2 hosts"
        )
        play >> ready(1) << deliver(1, "a0#1")
        play >> finished(1, 1) << deliver(1, "a1#2") << send("a", 0)


def test_who_waits_because_no_host_has_room_for_its_source_is_told_which_and_how_much() -> None:
    with Playbook(limits=HostLimits(own=False)) as play:
        play >> host("a", bundles="/b", without={"b1": "bundle b1 lacks 900 MiB here, and 20 MiB are free in /b"})
        play >> replace(function("f"), bundle="b1")
        play >> submit("a", 1)
        assert shortage(play) == (
            "waiting for a container: host a has no room for its source: "
            "bundle b1 lacks 900 MiB here, and 20 MiB are free in /b"
        )
        play >> host_changed("a", bundles="/b") << start(1, host="a")


def test_what_a_function_asks_of_its_host_is_looked_for_also_where_no_host_has_joined() -> None:
    with Playbook() as play:
        play >> replace(function("f"), spec=asking(custom=(("ssd", 1.0),), labels=(("zone", "a"),)))
        play >> submit("a", 2)
        assert shortage(play) == (
            "waiting for 1 x ssd, the label zone=a: no host has that (1 host; motet host list shows what they have). Ask for "
            "less, or have a host join that has it"
        )
        play >> host("a", resources={"ssd": 1}, labels={"zone": "b"})
        play >> host("b", resources={"ssd": 1}, labels={"zone": "a"}) << start(1, host="b")
        assert "taken on 1 of 3 hosts" in shortage(play)


def test_containers_are_spread_where_that_is_asked_for() -> None:
    with Playbook(limits=HostLimits(own=False)) as play:
        play >> host("a", cpu=8)
        play >> host("b", cpu=8)
        play >> replace(function("f"), spec=asking(placement="spread"))
        play >> submit("a", 2) << start(1, host="a") << start(2, host="b")


def asking(**of_host: object) -> FunctionSpec:
    return replace(function("f").spec, resources=Resources(**of_host))  # type: ignore[arg-type]


def test_gpus_of_hosts_are_given_once() -> None:
    with Playbook(limits=HostLimits(own=False)) as play:
        play >> host("a", H100, L4)
        play >> host("b", H100)
        play >> function("f", gpu=["H100"])
        play >> submit("a", 3) << start(1, gpus="a-gpu0", host="a") << start(2, gpus="b-gpu0", host="b")
        assert shortage(play) == "waiting for 1 x H100: taken on 2 of 2 hosts"
        play >> ready(1) << deliver(1, "a0#1")
        play >> finished(1, 1) << deliver(1, "a1#2") << send("a", 0)


def test_a_function_with_a_gpu_waits_where_hosts_may_join_and_is_not_refused() -> None:
    with Playbook() as play:
        play >> host("a", L4)
        play >> function("f", gpu=["H100"]) << FindGpus()
        play >> gpus_found(note="no driver")
        play >> submit("a", 1)
        assert shortage(play).startswith("waiting for 1 x H100: no host has that (2 hosts; ")


def test_what_ran_on_a_host_that_is_lost_runs_elsewhere_uncharged() -> None:
    with Playbook(limits=HostLimits(own=False)) as play:
        play >> host("a", cpu=4)
        play >> function("f", max_inputs=2)
        play >> submit("a", 2) << start(1, host="a")
        play >> ready(1) << deliver(1, "a0#1", "a1#2")
        play >> host("b", cpu=4)
        # Not in smaller groups, one by one: they are no suspects.
        play >> host_lost("a") << start(2, host="b")
        play >> ready(2) << deliver(2, "a0#3", "a1#4")
        # What is late is nobody's.
        play >> finished(1, 1)
        play >> ended(1)
        play >> host_lost("a")
        play >> finished(2, 3, 4) << send("a", 0, 1)


def test_containers_that_start_on_a_host_that_is_lost_start_elsewhere_without_delay() -> None:
    with Playbook(limits=HostLimits(own=False)) as play:
        play >> host("a", cpu=4)
        play >> function("f")
        play >> submit("a", 1) << start(1, host="a")
        play >> host("b", cpu=4)
        for number in range(2, 7):
            lost, other = ("a", "b") if number % 2 == 0 else ("b", "a")
            play >> host_lost(lost) << start(number, host=other)
            play >> host(lost, cpu=4)


def test_containers_drain_on_a_host_that_leaves_and_no_others_start_there() -> None:
    with Playbook(limits=HostLimits(own=False, drain_grace=5.0)) as play:
        play >> host("a", cpu=4)
        play >> function("f")
        play >> submit("a", 1) << start(1, host="a")
        play >> ready(1) << deliver(1, "a0#1")
        play >> host_changed("a", cpu=4, leaving="is to be turned off")
        play >> submit("b", 1)
        assert shortage(play) == "waiting for a container: host a has it, and is to be turned off"
        play >> host("b", cpu=4) << start(2, host="b")
        play >> ready(2) << deliver(2, "b0#2")
        play.at(4.0)
        play >> finished(1, 1) << stop(1) << send("a", 0)
        assert "drained: its host is to be turned off" in play.engine.inspection.story(container_id(1))


def test_what_does_not_end_on_a_host_that_leaves_runs_elsewhere_after_the_grace() -> None:
    with Playbook(limits=HostLimits(own=False, drain_grace=5.0)) as play:
        play >> host("a", cpu=4)
        play >> host("b", cpu=4)
        play >> function("f")
        play >> submit("a", 1) << start(1, host="a")
        play >> ready(1) << deliver(1, "a0#1")
        play >> host_changed("a", cpu=4, leaving="is to be turned off")
        play.at(5.0) << kill(1) << start(2, host="b")
        play >> ready(2) << deliver(2, "a0#2")


def test_a_host_that_is_silent_gets_no_containers_until_it_answers() -> None:
    with Playbook(limits=HostLimits(own=False)) as play:
        play >> host("a", cpu=4, silent="has not answered for 3 s")
        play >> function("f")
        play >> submit("a", 1)
        assert shortage(play) == "waiting for a container: host a has it, and has not answered for 3 s"
        play >> host_changed("a", cpu=4) << start(1, host="a")


def test_a_change_of_a_host_that_is_not_there_is_not_heard() -> None:
    with Playbook(limits=HostLimits(own=False)) as play:
        play >> function("f")
        play >> submit("a", 1)
        play >> host_changed("a", cpu=4)
        play >> host_lost(OWN_HOST)
        assert [view.host.host_id for view in play.engine.inspection.hosts()] == []


def test_each_host_starts_a_few_at_a_time() -> None:
    with Playbook(limits=HostLimits(own=False, starting=1)) as play:
        play >> host("a", cpu=4)
        play >> host("b", cpu=4)
        play >> function("f")
        play >> submit("a", 3) << start(1, host="a") << start(2, host="b")
        play >> ready(1) << deliver(1, "a0#1") << start(3, host="a")


def test_hosts_are_levelled_once_each_container_has_no_core_of_its_own() -> None:
    with Playbook(limits=HostLimits(own=False)) as play:
        play >> host("a", cpu=1)
        play >> host("b", cpu=1)
        play >> function("f", min_containers=4, max_containers=4)
        play << start(1, host="a") << start(2, host="b") << start(3, host="a") << start(4, host="b")
        play >> settings("f", min_containers=4, max_containers=4)
