"""A host runs so many containers at most, whatever pools may have; who needs one gets the place of one that nobody needs."""

from __future__ import annotations

import pytest

from motet.core.host import HostLimits
from motet.core.policies import POLICIES
from motet.testing.playbook import Playbook
from motet.testing.transcript import deliver, ended, finished, function, ready, send, settings, start, stop, submit


def host(containers: int) -> Playbook:
    return Playbook(limits=HostLimits(containers=containers, starting=100))


def shortage(play: Playbook, name: str) -> str:
    return play.engine.inspection.view(f"fu-{name}", play.now).shortage


def test_no_more_containers_start_than_the_host_may_have_and_the_next_when_one_has_ended() -> None:
    with host(2) as play:
        play >> function("f")
        play >> submit("a", 5) << start(1) << start(2)
        assert "2 containers run on this host, which may have 2 (MOTET_CONTAINERS_PER_HOST)" in shortage(play, "f")
        play >> function("g")
        play >> submit("b", function="g")
        play >> ready(1) << deliver(1, "a0#1") >> ready(2) << deliver(2, "a1#2")
        play >> ended(1) << start(3, function="f")
        assert shortage(play, "g") != ""


def test_an_idle_container_of_another_makes_room_for_who_has_inputs() -> None:
    with host(2) as play:
        play >> function("f")
        play >> function("g")
        play >> submit("a", 2) << start(1) << start(2)
        play >> ready(1) << deliver(1, "a0#1") >> ready(2) << deliver(2, "a1#2")
        play >> submit("b", function="g")
        play.at(1.0) >> finished(1, 1) << stop(1, reason="its place on the host is needed by another") << send("a", 0)
        play >> finished(2, 2) << send("a", 1)  # one place is enough
        play >> ended(1, "exited with status 0") << start(3, function="g")
        assert shortage(play, "g") == ""


def test_the_longest_idle_goes_and_what_is_kept_for_good_stays() -> None:
    with host(3) as play:
        play >> function("kept", min_containers=1) << start(1, function="kept")
        play >> function("f")
        play >> submit("a", 2) << start(2) << start(3)
        play >> ready(1) >> ready(2) << deliver(2, "a0#1") >> ready(3) << deliver(3, "a1#2")
        play.at(1.0) >> finished(3, 2) << send("a", 1)
        play.at(2.0) >> finished(2, 1) << send("a", 0)
        play >> function("g")
        play >> submit("b", 5, function="g") << stop(3)
        play >> ended(3, "exited with status 0") << start(4, function="g") << stop(2)
        play >> ended(2, "exited with status 0") << start(5, function="g")


def test_a_buffer_or_a_minimum_takes_no_place_from_another() -> None:
    with host(2) as play:
        play >> function("f", buffer_containers=1)
        play >> submit("a") << start(1) << start(2)
        play >> ready(2) << deliver(2, "a0#1") >> ready(1)
        play >> function("min", min_containers=2)
        play >> function("buffered", buffer_containers=1)
        play.at(1.0) >> finished(2, 1) << send("a", 0)
        play >> submit("b", function="buffered") << stop(1)
        play >> ended(1, "exited with status 0") << start(3, function="buffered")


def test_who_had_to_stop_one_for_another_does_not_take_the_place_back_though_its_app_has_fewer() -> None:
    """Its policy wants one without any inputs; that went round and round, and what waited never ran."""
    with Playbook(limits=HostLimits(containers=3, starting=100), policy=POLICIES["knative"]) as play:
        for number, name in enumerate(("kept", "also"), 1):
            play >> function(name, app="ap-many", min_containers=1) << start(number, function=name)
            play >> ready(number)
        play >> function("f", app="ap-few") << start(3)
        play >> ready(3)
        play >> function("g", app="ap-many")
        play >> submit("a", function="g") << stop(3, reason="its place on the host is needed by another")
        play >> ended(3, "exited with status 0") << start(4, function="g")
        play >> ready(4) << deliver(4, "a0#1")


@pytest.mark.parametrize("parent", ["a0", None])
def test_callers_that_fill_the_host_get_a_container_for_what_they_call(parent: str | None) -> None:
    """They would wait for ever: none of them ends before what it called."""
    with host(2) as play:
        play >> function("f")
        play >> function("g")
        play >> submit("a", 2) << start(1) << start(2)
        play >> ready(1) << deliver(1, "a0#1") >> ready(2) << deliver(2, "a1#2")
        play >> submit("b", function="g", parent=parent, client=2)
        if parent:
            play << start(3, function="g")
        play >> submit("c", 3, function="g", parent=parent, client=2)
        assert shortage(play, "g") != ""


def test_who_waits_for_room_and_needs_it_no_more_gets_none() -> None:
    with host(1) as play:
        play >> function("f")
        play >> function("g", min_containers=1) << start(1, function="g")
        play >> submit("a")
        play >> settings("g", min_containers=0)
        play >> ready(1) << stop(1)
        play >> ended(1, "exited with status 0") << start(2)
