"""The isolation level of a function, and what is said where it cannot be had."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from motet.backends.walls.levels import bubblewrap_lacks
from motet.errors import ConnectionError, InvalidError, ServiceError
from motet.model.function import FunctionSpec, FunctionVariant, ImportedDefinition, Resources
from motet.model.image import ImageSpec
from motet.model.isolation import Isolation
from motet.model.oci_image import OciImage
from motet.server.apps.levels import LevelsHere
from motet.server.containers.walling import check_may_call


def spec(isolation: Isolation | None = None, *, block_network: bool = False) -> FunctionSpec:
    definition = ImportedDefinition(module="m", qualname="f")
    return FunctionSpec(name="f", app_name="a", definition=definition, isolation=isolation, block_network=block_network)


IMAGE = OciImage(name="localhost/motet/image:1", python="/python3", env=(), runtime="/r", runtime_at="/opt/motet")


def none_lacks(isolation: Isolation) -> None:
    return None


def test_function_has_the_servers_level_unless_it_says_its_own() -> None:
    levels = LevelsHere("bubblewrap", none_lacks)
    assert levels.settled(spec()).isolation == "bubblewrap"
    assert levels.settled(spec("process")).isolation == "process"


def test_level_that_cannot_be_had_is_refused_with_what_to_do() -> None:
    levels = LevelsHere("process", lambda level: None if level == "process" else "do this")
    assert levels.settled(spec()).isolation == "process"
    with pytest.raises(InvalidError) as caught:
        levels.settled(spec("bubblewrap"))
    assert str(caught.value) == "f is to run on the isolation level 'bubblewrap', which cannot be had: do this"


def test_server_whose_own_level_cannot_be_had_does_not_start() -> None:
    with pytest.raises(ServiceError, match=r"^the isolation level 'oci' cannot be had on this machine: do this$"):
        LevelsHere("oci", lambda level: "do this").check_default()


def test_blocked_network_needs_walls_and_a_server_that_can_be_reached_through_them() -> None:
    with pytest.raises(InvalidError, match="block_network=True needs walls"):
        LevelsHere("process", none_lacks).settled(spec(block_network=True))
    with pytest.raises(InvalidError, match=r"listens on TCP \(MOTET_LISTEN\)"):
        LevelsHere("bubblewrap", none_lacks, "tcp").settled(spec(block_network=True))
    assert LevelsHere("bubblewrap", none_lacks).settled(spec(block_network=True)).block_network


def test_limit_of_disk_is_refused_where_nothing_keeps_it() -> None:
    limited = replace(spec("oci"), resources=Resources(disk_mib=512))
    with pytest.raises(InvalidError) as caught:
        LevelsHere("process", none_lacks).settled(limited)
    assert str(caught.value) == (
        "f: ephemeral_disk=512 cannot be kept on the isolation level 'oci', where the engine bounds no disk: leave it out, or "
        'give the function isolation="bubblewrap"'
    )
    kept = LevelsHere("process", none_lacks).settled(replace(limited, isolation="bubblewrap"))
    assert kept.resources.disk_mib == 512


def test_function_for_which_no_oci_image_was_built_is_refused_on_that_level() -> None:
    levels = LevelsHere("process", none_lacks)
    with pytest.raises(InvalidError, match="no OCI image was built for it when its app started"):
        levels.settled(spec("oci"))
    built = replace(spec("oci"), image=ImageSpec(oci=IMAGE))
    assert levels.settled(built) == built


def test_oci_image_that_a_client_names_for_another_level_is_dropped() -> None:
    levels = LevelsHere("process", none_lacks)
    settled = levels.settled(replace(spec(), image=ImageSpec(oci=IMAGE)))
    assert settled.image.oci is None
    with pytest.raises(InvalidError, match="with_options cannot change to"):
        levels.settled(settled.varied(FunctionVariant(isolation="oci")))


def test_bubblewrap_that_is_not_installed_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert bubblewrap_lacks() == ("bubblewrap is not installed here, and is needed for it: apt-get install bubblewrap")


def test_restricted_function_is_told_that_it_may_call_nothing() -> None:
    check_may_call(spec())
    with pytest.raises(
        ConnectionError, match=r"^f was declared with restrict_modal_access=True: its code may call nothing"
    ):
        check_may_call(replace(spec(), restrict_modal_access=True))
