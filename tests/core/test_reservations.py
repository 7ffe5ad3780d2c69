"""What a cluster is asked to reserve for containers, and what is given back."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given
from msgspec.structs import replace

from motet.core.commands import SeekRoom
from motet.core.events import RoomDelayed
from motet.core.host import HostLimits
from motet.core.reservations import JOIN_PATIENCE, MOST_PENDING, ReservationPlan, Reservations
from motet.model.gpu import Gpu, GpuRequest
from motet.model.reservation import HostUse, RoomAsked, RoomGranted
from motet.testing.playbook import Playbook
from motet.testing.transcript import (
    deliver,
    ended,
    finished,
    function,
    host,
    host_changed,
    ready,
    send,
    start,
    stop,
    submit,
)

KEEP = 60.0
CORE, FOUR = RoomAsked(cpu=1), RoomAsked(cpu=4, memory_mib=512)
H100 = RoomAsked(cpu=1, gpu=(GpuRequest.parse("H100"),))


def gpu(number: int, kind: str = "H100") -> Gpu:
    return Gpu(uuid=f"{number}", kind=kind, memory_mib=0)


def asked(plan: ReservationPlan) -> list[tuple[int, RoomAsked]]:
    return [(each.number, each.asked) for each in plan.ask]


def made(asked: RoomAsked, count: int, *, on: str = "a") -> Reservations:
    """So many reservations of a kind, all of which that host has."""
    them = Reservations(KEEP)
    for each in them.plan([(asked, count)], {}, 0.0).ask:
        assert them.granted(each.number, RoomGranted(host_id=on, gpus=(gpu(each.number),) if asked.gpu else ()))
    return them


def test_what_waits_is_asked_for_once_and_what_nobody_waits_for_any_more_is_withdrawn_latest_first() -> None:
    them = Reservations(KEEP)
    assert asked(them.plan([(CORE, 2), (FOUR, 1)], {}, 0.0)) == [(1, CORE), (2, CORE), (3, FOUR)]
    assert them.plan([(CORE, 2), (FOUR, 1)], {}, 1.0) == ReservationPlan((), (), ())
    assert asked(them.plan([(CORE, 3), (FOUR, 1)], {}, 2.0)) == [(4, CORE)]
    assert them.plan([(CORE, 1)], {}, 3.0) == ReservationPlan((), (2, 4, 3), ())
    assert [each.number for each in them.pending] == [1]
    assert not them.granted(2, RoomGranted(host_id="a")), "it was withdrawn"
    assert them.plan([], {}, 4.0) == ReservationPlan((), (1,), ())
    assert len(them) == 0


def test_room_that_hosts_have_is_used_before_more_is_asked_for_and_room_on_its_way_counts() -> None:
    them = made(CORE, 3)
    # Its host has not joined yet: three are on their way.
    assert asked(them.plan([(CORE, 4)], {}, 1.0)) == [(4, CORE)]
    them.lost(4)
    # One of three cores is in use.
    uses = {"a": HostUse(cpu=1)}
    assert asked(them.plan([(CORE, 3)], uses, 2.0)) == [(5, CORE)]
    them.lost(5)
    # Two small ones are room for one of twice that.
    assert them.plan([(RoomAsked(cpu=2), 1)], uses, 3.0).ask == ()
    assert len(them.plan([(RoomAsked(cpu=2), 1), (CORE, 1)], uses, 3.0).ask) == 1


def test_what_no_container_needs_is_kept_for_a_while_and_its_host_is_smaller_then() -> None:
    them = made(CORE, 3)
    busy, idle = {"a": HostUse(cpu=3)}, {"a": HostUse(cpu=1)}
    assert them.plan([], busy, 10.0) == ReservationPlan((), (), ())
    assert them.plan([], idle, 20.0) == ReservationPlan((), (), ())
    assert them.plan([], {"a": HostUse(cpu=2)}, 79.0) == ReservationPlan((), (), ())
    assert them.plan([], idle, 80.0) == ReservationPlan((), (3,), ("a",)), "one of the two was needed meanwhile"
    assert them.plan([], idle, 139.0) == ReservationPlan((), (), ())
    assert them.plan([], idle, 140.0) == ReservationPlan((), (2,), ("a",))
    assert [each.number for each in them.of_host("a")] == [1]


def test_a_gpu_that_a_container_has_is_not_given_back_and_a_free_one_of_another_kind_is_no_room() -> None:
    them = made(H100, 2)
    uses = {"a": HostUse(cpu=1, gpus=frozenset("2"))}
    them.plan([], uses, 0.0)
    assert them.plan([], uses, KEEP) == ReservationPlan((), (1,), ("a",))
    other = Reservations(KEEP)
    other.plan([(H100, 1)], {}, 0.0)
    other.granted(1, RoomGranted(host_id="a", gpus=(gpu(0, "L4"),)))
    either = RoomAsked(gpu=(GpuRequest.parse("H100"), GpuRequest.parse("L4")))
    assert other.plan([(either, 1)], {"a": HostUse()}, 0.0).ask == ()
    assert len(other.plan([(H100, 1)], {"a": HostUse()}, 0.0).ask) == 1


def test_a_node_whose_agent_never_comes_has_its_room_given_back() -> None:
    them = made(CORE, 1)
    assert them.plan([(CORE, 1)], {}, 0.0) == ReservationPlan((), (), ())
    assert them.plan([(CORE, 1)], {}, JOIN_PATIENCE - 1) == ReservationPlan((), (), ())
    assert them.plan([(CORE, 1)], {}, KEEP).give_up == (1,)
    assert len(them.plan([(CORE, 1)], {}, KEEP).ask) == 1


def test_a_cluster_is_asked_for_so_much_at_once_and_not_for_more() -> None:
    them = Reservations(KEEP)
    assert len(them.plan([(CORE, 10_000)], {}, 0.0).ask) == MOST_PENDING
    assert them.plan([(CORE, 10_000)], {}, 0.0).ask == ()


@given(
    st.lists(
        st.tuples(
            st.lists(st.tuples(st.sampled_from([CORE, FOUR, H100]), st.integers(0, 5)), max_size=3),
            st.integers(0, 100),
            st.booleans(),
        ),
        max_size=20,
    )
)
def test_hosts_always_keep_what_containers_have_and_what_waits_is_always_on_its_way(
    steps: list[tuple[list[tuple[RoomAsked, int]], int, bool]],
) -> None:
    them, now = Reservations(5.0), 0.0
    for wanted, share, grants in steps:
        now += 3.0
        has = sum(each.asked.cpu for each in them.of_host("a"))
        gpus = frozenset(gpu.uuid for each in them.of_host("a") if each.granted for gpu in each.granted.gpus)
        use = HostUse(cpu=has * share // 100, gpus=gpus if share > 50 else frozenset())
        them.plan(wanted, {"a": use}, now)
        left = them.of_host("a")
        assert sum(each.asked.cpu for each in left) >= use.cpu
        assert use.gpus <= {gpu.uuid for each in left if each.granted for gpu in each.granted.gpus}
        for each in them.pending if grants else ():
            them.granted(each.number, RoomGranted(host_id="a", gpus=(gpu(each.number),) if each.asked.gpu else ()))


# --- the engine ---------------------------------------------------------------------------------------------------------

ON_CLUSTER = HostLimits(own=False, cluster="the cluster", unasked_cpu=1.0)


def shortage(play: Playbook, name: str = "f") -> str:
    return play.engine.inspection.view(f"fu-{name}", play.now).shortage


def test_room_is_sought_for_containers_that_wait_and_no_longer_when_they_have_it() -> None:
    with Playbook(limits=ON_CLUSTER) as play:
        play >> function("f", max_containers=3)
        play >> submit("a", 2) << SeekRoom(((CORE, 2),))
        assert shortage(play) == "waiting for 1 CPU on the cluster"
        play >> submit("b", 3) << SeekRoom(((CORE, 3),))
        play >> host("a", cpu=1) << start(1, host="a") << SeekRoom(((CORE, 2),))
        play >> host_changed("a", cpu=3) << start(2, host="a") << start(3, host="a") << SeekRoom(())


def test_what_only_the_servers_own_machine_has_is_not_sought_on_a_cluster() -> None:
    with Playbook(limits=ON_CLUSTER) as play:
        play >> replace(function("f"), own_host=True)
        play >> submit("a", 1)
        assert shortage(play) == (
            "waiting for 1 CPU on the server's own machine (its files or walls are not on other hosts), and it has no "
            "containers: they run on the cluster"
        )


def test_idle_containers_make_way_when_the_cluster_has_no_room_and_not_before() -> None:
    with Playbook(limits=ON_CLUSTER) as play:
        play >> host("a", cpu=1)
        play >> function("f")
        play >> function("g")
        play >> submit("a", 1) << start(1, host="a")
        play >> ready(1) << deliver(1, "a0#1")
        play >> submit("b", 1, function="g") << SeekRoom(((CORE, 1),))
        play >> finished(1, 1) << send("a", 0)
        play >> RoomDelayed("no node has it free") << stop(1, reason="another function needs its room on its host")
        assert shortage(play, "g") == "waiting for 1 CPU on the cluster: no node has it free"
        play >> ended(1) << start(2, function="g", host="a") << SeekRoom(())
        play >> RoomDelayed("")
