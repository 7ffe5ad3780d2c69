"""Who gets which GPU, who waits, and who is told that there is none."""

from __future__ import annotations

import pytest

from motet.core.commands import FindGpus, ReportAppStopped
from motet.core.containers import Container
from motet.core.devices import Devices, Grant, place
from motet.core.events import AppStopped
from motet.core.host import HostLimits
from motet.core.turn import Turn
from motet.model.gpu import FoundGpus, Gpu, GpuRequest
from motet.model.outcome import OutcomeKind
from motet.testing.playbook import Containing, Playbook
from motet.testing.transcript import (
    deliver,
    deliver_batch,
    ended,
    finished,
    function,
    gpus_found,
    kill,
    ready,
    send,
    settings,
    start,
    start_failed,
    stop,
    submit,
)

FAILURE = OutcomeKind.FAILURE
H100 = "NVIDIA H100 80GB HBM3"
H200 = "NVIDIA H200"
L4 = "NVIDIA L4"


def shortage(play: Playbook, name: str = "f") -> str:
    return play.engine.inspection.view(f"fu-{name}", play.now).shortage


# --- placement --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("requests", "devices", "used", "placed"),
    [
        (["H100"], [H100, H100], {}, ([0], 1.0)),
        (["H100"], [H100, H100], {"gpu0": 1.0}, ([1], 1.0)),
        (["H100"], [H100], {"gpu0": 0.25}, None),
        (["H100:2"], [H100, L4, H100], {}, ([0, 2], 1.0)),
        (["any:2"], [H100, L4, H100], {}, ([0, 2], 1.0)),
        (["any:2"], [H100, L4], {}, None),
        (["any"], [H100, L4], {}, ([0], 1.0)),  # of one size: in the order of their names
        (["H100"], [H200, H100], {}, ([1], 1.0)),
        (["H100"], [H200, H100], {"gpu1": 1.0}, ([0], 1.0)),
        (["H100!"], [H200, H100], {"gpu1": 1.0}, None),
        (["H100:2", "L4"], [H100, L4], {}, ([1], 1.0)),
        (["L4", "H100"], [H100, L4], {"gpu1": 1.0}, ([0], 1.0)),
        (["any:0.5"], [H100, H100], {"gpu1": 0.5}, ([1], 0.5)),
        (["any:0.6"], [H100, H100], {"gpu1": 0.5}, ([0], 0.6)),
        (["any:0.25"], [H100, H100, H100], {"gpu1": 0.5, "gpu2": 0.7}, ([2], 0.25)),
        (["any:0.1"], [H100], {"gpu0": 0.7 + 0.1 + 0.1}, ([0], 0.1)),
        (["any:0.5"], [], {}, None),
    ],
)
def test_container_gets_the_first_that_can_be_had(
    requests: list[str], devices: list[str], used: dict[str, float], placed: tuple[list[int], float] | None
) -> None:
    gpus = [Gpu.named(uuid=f"gpu{n}", name=name, memory_mib=80_000) for n, name in enumerate(devices)]
    grant = place(tuple(map(GpuRequest.parse, requests)), gpus, used)
    assert (grant and ([gpus.index(gpu) for gpu in grant.gpus], grant.share)) == placed


# --- the life of a request --------------------------------------------------------------------------------------------


def test_devices_are_looked_for_when_the_first_function_asks_for_one(play: Playbook) -> None:
    play >> function("plain")
    play >> function("f", gpu=["H100"]) << FindGpus()
    play >> submit("a")
    assert shortage(play) == "waiting for a GPU: looking for those of this host"
    play >> function("g", gpu=["any"])
    play >> gpus_found(H100, H100) << start(1, gpus="gpu0")
    assert shortage(play) == ""


def test_no_two_containers_have_the_same_device_and_a_third_waits_until_one_is_gone(play: Playbook) -> None:
    play >> function(gpu=["H100"], min_containers=2) << FindGpus()
    play >> gpus_found(H100, H100) << start(1, gpus="gpu0") << start(2, gpus="gpu1")
    play >> ready(1, 2)
    play >> function("g", gpu=["any"])
    play >> submit("b", function="g")
    assert shortage(play, "g") == 'waiting for a GPU: "any" is asked for, and this host has 2 H100 (0 free)'
    play.at(100.0)
    play >> settings() << stop(1, reason="idle for 100.0 s") << stop(2)
    play >> ended(2, "exited with status 0") << start(3, function="g", gpus="gpu1")
    assert shortage(play, "g") == ""


def test_a_pool_asks_for_no_more_containers_than_there_are_devices(play: Playbook) -> None:
    play >> function(gpu=["H100"]) << FindGpus()
    play >> gpus_found(H100, H100)
    play >> submit("a", 5) << start(1, gpus="gpu0") << start(2, gpus="gpu1")
    view = play.engine.inspection.view("fu-f", 0.0)
    assert (view.shortage, view.last_decision) == ("", "5 inputs at 1 each want 5, limited to 2")
    play >> ready(1) << deliver(1, "a0#1") >> finished(1, 1) << deliver(1, "a1#2") << send("a", 0)


def test_several_devices_of_one_kind_go_to_one_container(play: Playbook) -> None:
    play >> function(gpu=["H100:2"]) << FindGpus()
    play >> gpus_found(H100, L4, H100, H100)
    play >> submit("a", 2) << start(1, gpus="gpu0 gpu2")


def test_the_next_choice_is_taken_where_the_first_is_not_free(play: Playbook) -> None:
    play >> function(gpu=["H100", "L4:2"]) << FindGpus()
    play >> gpus_found(H100, L4, L4)
    play >> submit("a", 3) << start(1, gpus="gpu0") << start(2, gpus="gpu1 gpu2")


def test_shares_fill_a_device_and_a_whole_one_is_never_shared(play: Playbook) -> None:
    play >> function(gpu=["any:0.4"]) << FindGpus()
    play >> gpus_found(H100, H100)
    play >> submit("a", 3) << start(1, gpus="gpu0") << start(2, gpus="gpu0") << start(3, gpus="gpu1")
    play >> function("whole", gpu=["any"])
    play >> submit("b", function="whole")
    assert "2 H100 (0 free)" in shortage(play, "whole")
    play >> submit("c") << start(4, gpus="gpu1")
    play >> start_failed(3) << kill(3)
    play >> ended(3)


def test_a_device_is_free_again_when_a_container_dies_or_fails_to_start(play: Playbook) -> None:
    play >> function(gpu=["any"], max_containers=1) << FindGpus() >> gpus_found(H100)
    play >> submit("a") << start(1, gpus="gpu0")
    play >> ready(1) << deliver(1, "a0#1")
    play >> ended(1) << start(2, gpus="gpu0")
    play >> start_failed(2) << kill(2) << send("a", 0, kind=FAILURE)
    play >> submit("b")
    play >> ended(2) << start(3, gpus="gpu0")


def test_an_app_that_stops_gives_its_devices_to_those_who_wait(play: Playbook) -> None:
    play >> function("f", app="ap-f", gpu=["any"]) << FindGpus() >> gpus_found(H100)
    play >> function("g", app="ap-g", gpu=["any"])
    play >> submit("a") << start(1, gpus="gpu0")
    play >> submit("b", function="g")
    play >> AppStopped("ap-f", 5.0) << kill(1) << send("a", 0, kind=OutcomeKind.CANCELLED)
    play >> ended(1) << ReportAppStopped("ap-f") << start(2, function="g", gpus="gpu0")


def test_pools_that_wait_get_devices_in_turn(play: Playbook) -> None:
    play >> function("f", gpu=["any"]) << FindGpus() >> gpus_found(H100, H100)
    play >> function("g", gpu=["any"])
    play >> function("h", gpu=["any"])
    play >> submit("a", 9) << start(1, gpus="gpu0") << start(2, gpus="gpu1")
    play >> submit("c", 9, function="h")
    play >> submit("b", 9, function="g")
    play >> start_failed(1) << kill(1)
    play >> ended(1) << start(3, function="h", gpus="gpu0")
    play >> start_failed(2)
    play.take()
    play >> ended(2) << start(4, function="g", gpus="gpu1")


# --- idle containers give way -----------------------------------------------------------------------------------------


def test_an_idle_container_gives_way_to_inputs_of_another_function_at_once(play: Playbook) -> None:
    play >> function("f", gpu=["any"]) << FindGpus() >> gpus_found(H100)
    play >> submit("a") << start(1, gpus="gpu0")
    play >> ready(1) << deliver(1, "a0#1")
    play >> function("g", gpu=["any"])
    play >> submit("b", function="g")
    play >> finished(1, 1) << stop(1, reason="another function needs its GPU") << send("a", 0)
    play >> ended(1) << start(2, function="g", gpus="gpu0")


def test_as_many_give_way_as_are_needed_and_the_longest_idle_first(play: Playbook) -> None:
    play >> function("f", gpu=["any"]) << FindGpus() >> gpus_found(H100, H100, H100)
    play >> submit("a", 3) << start(1, gpus="gpu0") << start(2, gpus="gpu1") << start(3, gpus="gpu2")
    play >> ready(1, 2, 3) << deliver(3, "a0#1") << deliver(2, "a1#2") << deliver(1, "a2#3")
    for moment, (container, attempt, index) in enumerate([(2, 2, 1), (3, 1, 0), (1, 3, 2)], 1):
        play.at(moment) >> finished(container, attempt) << send("a", index)
    play >> function("g", gpu=["any:2"])
    play >> submit("b", function="g") << stop(2, 3)
    play >> ended(3)
    play >> ended(2) << start(4, function="g", gpus="gpu1 gpu2")


def test_containers_that_would_not_make_room_enough_stay(play: Playbook) -> None:
    play >> function("f", gpu=["any"]) << FindGpus() >> gpus_found(H100, H100)
    play >> submit("a", 2) << start(1, gpus="gpu0") << start(2, gpus="gpu1")
    play >> ready(1, 2) << deliver(2, "a0#1") << deliver(1, "a1#2")
    play >> finished(1, 2) << send("a", 1)
    play >> function("g", gpu=["H100:2"])
    play >> submit("b", function="g")
    play >> finished(2, 1) << stop(1, 2) << send("a", 0)


def test_containers_within_min_containers_do_not_give_way(play: Playbook) -> None:
    play >> function("f", gpu=["any"], min_containers=1) << FindGpus() >> gpus_found(H100) << start(1, gpus="gpu0")
    play >> ready(1)
    play >> function("g", gpu=["any"])
    play >> submit("b", function="g")
    assert shortage(play, "g")
    play >> settings("f") << stop(1, reason="another function needs its GPU")


def test_a_minimum_takes_nothing_away_from_others_until_inputs_come(play: Playbook) -> None:
    play >> function("f", gpu=["any"]) << FindGpus() >> gpus_found(H100)
    play >> submit("a") << start(1, gpus="gpu0")
    play >> ready(1) << deliver(1, "a0#1") >> finished(1, 1) << send("a", 0)
    play >> function("g", gpu=["any"], min_containers=1)
    assert shortage(play, "g")
    play >> submit("b", function="g") << stop(1, reason="another function needs its GPU")


def test_a_container_beside_which_a_batch_forms_does_not_give_way(play: Playbook) -> None:
    play >> function("f", gpu=["any"], max_batch_size=2, wait_ms=1000) << FindGpus() >> gpus_found(H100)
    play >> submit("a") << start(1, gpus="gpu0")
    play >> ready(1)
    play >> function("g", gpu=["any"])
    play >> submit("b", function="g")
    play >> submit("c") << deliver_batch(1, "a0#1", "c0#2")
    play >> finished(1, 1, 2) << stop(1) << send("a", 0) << send("c", 0)


def test_what_gives_way_takes_no_part_of_a_device_again_that_inputs_wait_for_as_a_whole(play: Playbook) -> None:
    play >> function("c", gpu=["H100:0.5"]) << FindGpus() >> gpus_found(H100, H100)
    play >> function("e", gpu=["H100:0.5"])
    play >> submit("a", function="c") << start(1, function="c", gpus="gpu0")
    play >> submit("b", function="e") << start(2, function="e", gpus="gpu0")
    play >> ready(1) << deliver(1, "a0#1") >> ready(2) << deliver(2, "b0#2")
    play >> settings("c", buffer_containers=1) << start(3, function="c", gpus="gpu1") >> ready(3)
    play >> settings("e", buffer_containers=1) << start(4, function="e", gpus="gpu1") >> ready(4)
    play >> function("whole", gpu=["H100"])
    play >> submit("d", function="whole") << stop(3) << stop(4)
    play >> ended(3, "exited with status 0")
    play >> ended(4, "exited with status 0") << start(5, function="whole", gpus="gpu1")
    play >> ready(5) << deliver(5, "d0#3")


# --- what a host does not have ----------------------------------------------------------------------------------------


def test_inputs_fail_at_once_where_there_is_no_gpu(play: Playbook) -> None:
    play >> function(gpu=["H100:4", "A100"]) << FindGpus()
    play >> submit("a", 2)
    told = Containing(
        "ServiceError: f cannot run here",
        'gpu="H100:4" or "A100"',
        "this host has no GPU (no driver)",
        "MOTET_MISSING_GPU",
    )
    play >> gpus_found(note="no driver") << send("a", 0, 1, kind=FAILURE, payload=told)
    play >> submit("b") << send("b", 0, kind=FAILURE, payload=told)
    assert "this host has no GPU" in shortage(play)


def test_inputs_fail_at_once_where_the_host_has_too_few_or_others(play: Playbook) -> None:
    play >> function(gpu=["H100:3"], min_containers=1) << FindGpus()
    play >> gpus_found(H100, H100, L4)
    told = Containing("this host has 2 H100 (2 free), 1 L4 (1 free)")
    play >> submit("a") << send("a", 0, kind=FAILURE, payload=told)


def test_batches_fail_at_once_as_well(play: Playbook) -> None:
    play >> function(gpu=["H100"], max_batch_size=4, wait_ms=1000) << FindGpus() >> gpus_found()
    play >> submit("a", 2) << send("a", 0, 1, kind=FAILURE, payload=Containing("this host has no GPU"))


def test_inputs_wait_for_what_is_missing_if_they_are_told_to() -> None:
    with Playbook(limits=HostLimits(missing_gpu="wait")) as play:
        play >> function(gpu=["H100"]) << FindGpus() >> gpus_found(note="no driver")
        play >> submit("a")
        assert shortage(play) == 'waiting for a GPU: "H100" is asked for, and this host has no GPU (no driver)'
        play.at(59.0)
        play.at(60.0) << FindGpus()
        play >> gpus_found(note="no driver")
        play.at(120.0) << FindGpus()
        play.at(500.0) >> gpus_found(H100) << start(1, gpus="gpu0")


def test_inputs_run_without_what_is_missing_if_they_are_told_to() -> None:
    with Playbook(limits=HostLimits(missing_gpu="ignore")) as play:
        play >> function(gpu=["H100"]) << FindGpus()
        play >> submit("a", 3)
        play >> gpus_found(note="no driver") << start(1, 2, 3)
        assert shortage(play) == ""
        play >> ready(1) << deliver(1, "a0#1")
        play >> ended(1) << start(4)


class Idle:
    """Has spare containers, some of which were started without a device."""

    def __init__(self, *container_ids: str) -> None:
        self.containers = [Container(name, 0.0, "") for name in container_ids]
        self.gave_way: list[str] = []

    def leaving(self) -> list[Container]:
        return []

    def spare(self) -> list[Container]:
        return self.containers

    def give_way(self, container: Container, turn: Turn) -> None:
        self.gave_way.append(container.container_id)


def test_containers_that_were_started_without_a_device_are_not_asked_to_give_way() -> None:
    devices, idle = Devices("ignore"), Idle("without", "with")
    gpu = Gpu.named(uuid="gpu0", name="NVIDIA L4", memory_mib=24_000)
    devices.found(FoundGpus(gpus=(gpu,)))
    devices.hold("with", Grant((gpu,), 1.0), idle)
    devices.make_room((GpuRequest.parse("L4"),), Idle(), Turn(0.0))
    assert idle.gave_way == ["with"]


def test_those_that_are_there_are_given_out_whatever_is_done_about_missing_ones() -> None:
    with Playbook(limits=HostLimits(missing_gpu="ignore")) as play:
        play >> function(gpu=["H100"]) << FindGpus() >> gpus_found(H100)
        play >> submit("a", 3) << start(1, gpus="gpu0")


def test_functions_without_gpus_are_not_held_up(play: Playbook) -> None:
    play >> function("f", gpu=["any"]) << FindGpus() >> gpus_found(H100)
    play >> function("g", gpu=["any"])
    play >> function("plain")
    play >> submit("a") << start(1, gpus="gpu0")
    play >> submit("b", function="g")
    play >> submit("c", function="plain") << start(2, function="plain")
