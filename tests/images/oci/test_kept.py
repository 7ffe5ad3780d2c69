"""Which OCI images a home has had built, and what is let go of."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from motet.errors import ImageBuildError
from motet.images.kept import KeptImage, KeptImages
from motet.images.oci.notes import OciBuilt
from motet.images.uses import note_needed
from motet.model.image import ImageSpec, RegistryImage, ShellCommands, Step

from .fake_engine import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def kept(machine: Machine, **env: str) -> KeptImages:
    return KeptImages(machine.home, {**machine.env, **env})


def build(machine: Machine, *steps: Step, hold: bool = False) -> str:
    """Its name; `hold`: this process uses it."""
    images = machine.images()
    name = images.ensure(ImageSpec(steps=steps), lambda line: None).tag.rpartition(":")[2]
    if not hold:
        images.notes.uses.release()
    return name


def commands(*lines: str, force: bool = False) -> ShellCommands:
    return ShellCommands(commands=lines, force=force)


def named(images: list[KeptImage]) -> set[str]:
    return {each.name for each in images}


def test_images_that_were_built_are_listed_with_their_steps_size_and_apps(machine: Machine) -> None:
    name = build(machine, ShellCommands(commands=("true",), secrets={"KEY": "worth"}))
    assert "worth" not in (machine.home / "oci" / "built" / f"{name}.json").read_text()
    machine.images().notes.uses.hold(name, "shop")
    (found,) = kept(machine).listed()
    assert (found.kind, found.name, found.size, list(found.apps)) == ("oci", name, 2048, ["shop"])
    assert (found.steps, found.python_version, found.packages) == (("run_commands true",), "3.11", None)
    assert not kept(machine, PATH="/nowhere").listed()


def test_an_engine_that_is_gone_keeps_nobody_from_the_rest(machine: Machine) -> None:
    build(machine, commands("true"))
    images = kept(machine, SICK="cannot connect")
    assert images.listed() == []
    assert "podman does not say which images it has: Error: cannot connect" in images.problem
    images.remove_left()


def test_an_image_that_a_process_or_a_deployed_app_needs_stays(machine: Machine) -> None:
    used, needed, other = build(machine, commands("a"), hold=True), build(machine, commands("b")), build(machine)
    note_needed(machine.home, {needed: ["shop"]})
    images = kept(machine)
    found = {each.name: each for each in images.listed()}
    assert {name for name, each in found.items() if each.is_needed} == {used, needed}
    assert found[needed].deployed == ("shop",)
    assert [images.remove(found[name]) for name in (used, needed, other)] == [False, False, True]
    assert named(images.listed()) == {used, needed}
    assert not machine.images().notes.log(other).exists()
    build(machine)
    assert machine.builds == 4


def test_what_cannot_be_read_of_deployed_apps_removes_nothing(machine: Machine) -> None:
    build(machine)
    (machine.home / "needed.json").write_text("{")
    with pytest.raises(ImageBuildError, match=r"needed\.json, which says what deployed apps need, cannot be read"):
        kept(machine).listed()


def test_stages_of_an_image_go_when_no_image_has_them(machine: Machine) -> None:
    first = build(machine, commands("a"), commands("b", force=True))
    second = build(machine, commands("a"), commands("c", force=True))
    images = kept(machine)
    assert named(images.listed()) == {first, second}
    stored = set(machine.store.iterdir())
    (gone,) = [each for each in images.listed() if each.name == first]
    assert images.remove(gone)
    images.remove_left()
    assert len(set(machine.store.iterdir())) == len(stored) - 1  # the stage before it is also the other's
    (gone,) = images.listed()
    assert images.remove(gone)
    images.remove_left()
    assert {each.name for each in machine.store.iterdir()} == {"builds", "seen"}


def snapshot(machine: Machine, name: str, *, age: float = 0.0) -> str:
    """One of a sandbox; what the engine has it by."""
    notes = machine.images().notes
    at = time.time() - age
    notes.write(OciBuilt(name=name, python_version="3.11", steps=("x",), stages=(name,), built_at=at, seconds=0.0))
    (machine.store / notes.tag(name).replace("/", "_")).touch()
    return notes.tag(name)


def test_snapshots_are_kept_as_long_as_an_image_that_was_made_of_them_is_used(machine: Machine) -> None:
    used, idle = snapshot(machine, "snapshot-1"), snapshot(machine, "snapshot-2", age=90.0)
    of_used = build(machine, RegistryImage(reference=used), hold=True)
    of_idle = build(machine, RegistryImage(reference=idle))
    images = kept(machine)
    found = {each.name: each for each in images.listed()}
    assert {name for name, each in found.items() if each.is_needed} == {"snapshot-1", of_used}
    uses = machine.images().notes.uses
    uses.hold(of_idle, "agents")
    uses.release()
    again = {each.name: each for each in images.listed()}["snapshot-2"]
    assert again.last_used_at > found["snapshot-2"].last_used_at
    assert list(again.apps) == ["agents"]
    images.remove_left()  # a snapshot is nothing that a build has left
    assert named(images.listed()) == set(found)
    assert images.remove(again)
    assert images.remove(found[of_idle])
    with pytest.raises(ImageBuildError, match="has removed this snapshot of a sandbox"):
        build(machine, RegistryImage(reference=idle))


def test_another_home_has_names_of_its_own(machine: Machine, tmp_path: Path) -> None:
    build(machine)
    machine.home = tmp_path / "other"
    assert kept(machine).listed() == []
    build(machine)
    assert len(kept(machine).listed()) == 1


def test_the_logs_of_an_image_are_those_of_its_stages(machine: Machine) -> None:
    build(machine, commands("first"), commands("second", force=True))
    (found,) = kept(machine).listed()
    said = [each.read_text() for each in kept(machine).logs(found)]
    assert ["RUN first" in each for each in said] == [True, False]
    last = kept(machine).last_log()
    assert last is not None
    assert "RUN second" in last.read_text()
