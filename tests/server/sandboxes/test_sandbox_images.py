"""What becomes of a sandbox's image on its server: what is built, what is its own then, and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

import motet
from motet.errors import InvalidError
from motet.images.base import Environment, Told
from motet.model.image import BuildPlace, ImageSpec
from motet.model.isolation import Isolation
from motet.model.oci_image import OciImage
from motet.model.sandbox import SandboxSpec
from motet.server.sandboxes.sandbox_environment import environment_of
from motet.server.sandboxes.sandbox_images import SandboxImages

DEBIAN = motet.Image.debian_slim()
OCI = OciImage(
    name="localhost/motet/image:1",
    python="/usr/bin/python3",
    env=(("PATH", "/bin"),),
    runtime="/runtime",
    runtime_at="/opt/motet",
    entrypoint=("/enter",),
    command=("serve",),
    workdir="/srv",
)


class Builder:
    """An `ImageBuilder` that has one environment and one OCI image, once they were built."""

    def __init__(self, *, has: bool = True, lacks: tuple[str, ...] = ()) -> None:
        self.has = has
        self.lacks = lacks
        self.built: list[ImageSpec] = []
        self.uses: list[tuple[str, str]] = []

    def found(self, image: ImageSpec) -> Environment | None:
        return Environment(python="/env/bin/python", digest="one") if self.has else None

    async def build(self, image: ImageSpec, place: BuildPlace, told: Told) -> Environment:
        self.built.append(image)
        return Environment(python="/env/bin/python", digest="one")

    async def build_oci(self, image: ImageSpec, place: BuildPlace, told: Told, *, anew: bool) -> OciImage:
        self.built.append(image)
        return OCI

    async def snapshot(self, process: int, snapshot_id: str, of: OciImage, sandbox_id: str) -> str:
        raise NotImplementedError("nothing runs here")

    def lacking(self, image: ImageSpec) -> list[str]:
        return list(self.lacks)

    def used(self, made: Environment | OciImage, app: str) -> None:
        self.uses.append((made.digest if isinstance(made, Environment) else made.name, app))

    def note_needed(self, needed: Mapping[str, Sequence[str]]) -> None:
        raise NotImplementedError("no app is deployed here")


def settled(
    image: motet.Image, *command: str, builder: Builder | None, isolation: Isolation = "process", builds: bool = False
) -> SandboxSpec:
    spec = SandboxSpec(command=command, image=image.spec)
    place = BuildPlace(sys_path=(str(Path(__file__).parent),))
    images = SandboxImages(None if builder is None else lambda: builder, builds=builds)
    return asyncio.run(images.settled("the sandbox", "app", spec, isolation, place))


def test_an_environment_is_activated_for_commands() -> None:
    builder = Builder()
    found = settled(DEBIAN.pip_install("kite").env({"A": "1"}), "python", builder=builder)
    assert (found.image, builder.uses) == (ImageSpec(env={"A": "1"}, python="/env/bin/python"), [("one", "app")])
    env = environment_of({"PATH": "/bin", "HOME": "/h"}, found, "process", "sb-1")
    assert (env["PATH"], env["VIRTUAL_ENV"], env["A"]) == ("/env/bin:/bin", "/env", "1")


def test_an_environment_that_is_not_there_is_built_where_that_is_wanted_and_told_elsewhere() -> None:
    builder = Builder(has=False)
    assert settled(DEBIAN.pip_install("kite"), builder=builder, builds=True).image.python
    assert len(builder.built) == 1
    with pytest.raises(InvalidError, match=r"environment with kite, .* MOTET_BUILD_IMAGES=always"):
        settled(DEBIAN.pip_install("kite"), builder=builder)
    with pytest.raises(InvalidError, match="no place to build one"):
        settled(DEBIAN, builder=None)


def test_entrypoint_and_command_of_an_image_count() -> None:
    image = DEBIAN.entrypoint(["env"]).cmd(["ls", "-l"])
    assert settled(image, builder=Builder()).command == ("env", "ls", "-l")
    assert settled(image, "pwd", builder=Builder()).command == ("env", "pwd")
    assert settled(image.entrypoint([]), "pwd", builder=Builder()).command == ("pwd",)


def test_the_working_directory_of_an_image_is_one_of_the_machine_or_refused(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    assert settled(DEBIAN.workdir(str(tmp_path)).workdir("below"), builder=Builder()).workdir == f"{tmp_path}/below"
    with pytest.raises(InvalidError, match=r"Image.workdir\('/no/such'\).*this one is not; use isolation=\"oci\""):
        settled(DEBIAN.workdir("/no/such"), builder=Builder())


def test_files_of_an_image_are_mounted_within_walls_and_refused_without(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("x")
    image = DEBIAN.add_local_file(tmp_path / "data", "/data/x").add_local_python_source("test_sandbox_images")
    found = settled(image, builder=Builder(), isolation="bubblewrap").image
    assert [(it.source, it.target) for it in found.files] == [
        (str(tmp_path / "data"), "/data/x"),
        (__file__, "/root/test_sandbox_images.py"),
    ]
    assert found.env["PYTHONPATH"] == "/root"
    with pytest.raises(InvalidError, match=r"adds .*/data as /data/x, and the isolation level 'process'"):
        settled(image, builder=Builder())
    here = DEBIAN.add_local_file(tmp_path / "data", str(tmp_path / "data"))
    assert settled(here.add_local_python_source("test_sandbox_images"), builder=Builder()).image == ImageSpec(
        env={"PYTHONPATH": str(Path(__file__).parent)}
    )
    with pytest.raises(InvalidError, match="as /usr/x, and the isolation level 'bubblewrap' has that part"):
        settled(DEBIAN.add_local_file(tmp_path / "data", "/usr/x"), builder=Builder(), isolation="bubblewrap")
    with pytest.raises(InvalidError, match="not on the server's machine"):
        settled(DEBIAN.add_local_file(tmp_path / "no", "/x"), builder=Builder(), isolation="bubblewrap")


def test_what_the_machine_lacks_is_told() -> None:
    with pytest.raises(InvalidError, match=r"level 'bubblewrap' has the system of this machine, .*: ffmpeg is not"):
        settled(DEBIAN.apt_install("ffmpeg"), builder=Builder(lacks=("ffmpeg is not",)), isolation="bubblewrap")


def test_an_oci_image_says_what_runs_in_it_and_where(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("x")
    image = DEBIAN.add_local_file(tmp_path / "data", "in").add_local_file(tmp_path / "data", "/copied", copy=True)
    found = settled(image, builder=Builder(), isolation="oci")
    assert (found.command, found.workdir, found.image.oci) == (("/enter", "serve"), "/srv", OCI)
    assert [it.target for it in found.image.files] == ["/srv/in"]
    assert "PATH" not in environment_of({"PATH": "/host"}, found, "oci", "sb-1")
    assert settled(image, "ls", builder=Builder(), isolation="oci").command == ("/enter", "ls")


def test_of_an_oci_image_the_engine_is_asked_once_in_a_while() -> None:
    builder = Builder()
    images = SandboxImages(lambda: builder, builds=True)

    async def three() -> None:
        for _ in range(3):
            await images.settled("the sandbox", "app", SandboxSpec(image=DEBIAN.spec), "oci", BuildPlace())

    asyncio.run(three())
    assert len(builder.built) == 1
