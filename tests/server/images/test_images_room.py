from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

import motet
from motet.errors import ImageBuildError, InvalidError
from motet.images.base import Environment, Told
from motet.model.function import AppSpec, FunctionSpec, ImportedDefinition, SerializedDefinition
from motet.model.image import BuildPlace, ImageSpec
from motet.model.oci_image import OciImage
from motet.server.images import image_builds
from motet.server.images.equipping import Equipping
from motet.server.images.image_builds import ImageBuilds
from motet.server.images.room import ImagesRoom
from motet.wire.image_messages import BuildImages, ImagesBuilt

KITE = motet.Image.debian_slim().pip_install("kite").spec
PLAIN = motet.Image.debian_slim().apt_install("git").env({"A": "1"}).spec
BUILT = Environment(python="/environments/one/bin/python", digest="one")
OCI = OciImage(
    name="localhost/motet/image-1:abc",
    python="/usr/bin/python3",
    env=(),
    runtime="/r",
    runtime_at="/opt",
    version="3.99",
)


class Builder:
    """An `ImageBuilder` whose builds end when they are told to."""

    def __init__(self, *, has: bool = False) -> None:
        self.has = has
        self.built: list[ImageSpec] = []
        self.uses: list[tuple[str, str]] = []
        self.go_on = asyncio.Event()
        self.error: ImageBuildError | None = None
        self.needed: list[dict[str, Sequence[str]]] = []
        self.is_full = False
        self.anew: list[bool] = []
        self.lacks: list[str] = []

    def found(self, image: ImageSpec) -> Environment | None:
        return BUILT if self.has else None

    async def build(self, image: ImageSpec, place: BuildPlace, told: Told) -> Environment:
        self.built.append(image)
        told("Resolving")
        await self.go_on.wait()
        if self.error is not None:
            raise self.error
        told("Built")
        return BUILT

    async def build_oci(self, image: ImageSpec, place: BuildPlace, told: Told, *, anew: bool) -> OciImage:
        self.built.append(image)
        self.anew.append(anew)
        return OCI

    async def snapshot(self, process: int, snapshot_id: str, of: OciImage, sandbox_id: str) -> str:
        raise NotImplementedError("nothing runs here")

    def lacking(self, image: ImageSpec) -> list[str]:
        return self.lacks

    def used(self, made: Environment | OciImage, app: str) -> None:
        self.uses.append((made.digest if isinstance(made, Environment) else made.name, app))

    def note_needed(self, needed: Mapping[str, Sequence[str]]) -> None:
        self.needed.append(dict(needed))
        if self.is_full:
            raise OSError("no space left")


def function(image: ImageSpec, name: str = "f", **fields: Any) -> FunctionSpec:
    fields.setdefault("definition", ImportedDefinition(module="m", qualname=name))
    return FunctionSpec(name=name, app_name="shop", image=image, **fields)


def app(*functions: FunctionSpec) -> AppSpec:
    return AppSpec(name="shop", functions=functions)


def pythons(spec: AppSpec) -> list[str]:
    return [each.image.python for each in spec.functions]


def room(builder: Builder, *, builds: bool = False) -> ImagesRoom:
    return ImagesRoom(None, lambda: builder, builds=builds)


def run(body: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(body())


def test_an_environment_that_is_there_is_used_and_noted() -> None:
    async def body() -> None:
        builder = Builder(has=True)
        assert pythons(await room(builder).placed(app(function(KITE), function(PLAIN, "g")), "")) == [BUILT.python, ""]
        assert builder.uses == [("one", "shop")]
        assert builder.built == []

    run(body)


def test_what_deployed_apps_need_is_noted_when_it_changes(caplog: pytest.LogCaptureFixture) -> None:
    async def body() -> None:
        builder = Builder(has=True)
        images = room(builder)
        served = await images.placed(app(function(KITE), function(PLAIN, "g", isolation="oci")), "")
        assert builder.uses == [("one", "shop"), (OCI.name, "shop")]
        for deployed in ([served], [served, served], []):
            images.note_needed(deployed)
            await images.close()
        builder.is_full = True
        images.note_needed([served])
        await images.close()
        assert builder.needed == [{"one": ["shop"], "abc": ["shop"]}, {}, {"one": ["shop"], "abc": ["shop"]}]
        assert "which images deployed apps need could not be noted (no space left)" in caplog.text

    run(body)


def test_what_is_not_there_is_built_only_where_that_is_wanted() -> None:
    async def body() -> None:
        builder = Builder()
        builder.go_on.set()
        assert pythons(await room(builder).placed(app(function(KITE)), "")) == [""]
        assert builder.built == []
        both = app(function(KITE), function(KITE, "g"))
        assert pythons(await room(builder, builds=True).placed(both, "")) == [BUILT.python, BUILT.python]
        assert builder.built == [KITE]

    run(body)


def test_an_interpreter_that_a_client_names_is_not_taken() -> None:
    async def body() -> None:
        for image in (PLAIN, KITE):
            named = motet.Image(image).spec.__class__(steps=image.steps, env=image.env, python="/evil")
            assert pythons(await room(Builder()).placed(app(function(named)), "")) == [""]

    run(body)


def test_code_by_value_cannot_go_to_another_python() -> None:
    async def body() -> None:
        image = motet.Image.debian_slim("3.99").pip_install("kite").spec
        serialized = function(image, definition=SerializedDefinition(pickled=b"", qualname="f"))
        with pytest.raises(InvalidError, match=r"f travels by value from Python .* its image has Python 3\.99"):
            await room(Builder(has=True)).placed(app(serialized), "")

    run(body)


def test_code_by_value_cannot_go_to_an_oci_image_with_another_python() -> None:
    async def body() -> None:
        builder = Builder()
        by_value = SerializedDefinition(pickled=b"", qualname="f")
        asks = function(motet.Image.debian_slim("3.98").spec, definition=by_value, isolation="oci")
        with pytest.raises(InvalidError, match=r"f travels by value from Python .* its image has Python 3\.98"):
            await room(builder).placed(app(asks), "")
        assert builder.built == []
        has = function(motet.Image.from_registry("a").spec, definition=by_value, isolation="oci")
        with pytest.raises(InvalidError, match=r"f travels by value from Python .* its image has Python 3\.99"):
            await room(builder).placed(app(has), "")

    run(body)


def test_what_is_to_be_taken_anew_is_when_somebody_asks_for_builds_and_not_when_the_app_starts() -> None:
    async def body() -> None:
        image = motet.Image.debian_slim().pip_install("kite", force_build=True).spec
        builder = Builder()
        builder.go_on.set()
        images = room(builder, builds=True)
        for oci in (False, True):
            body = BuildImages("shop", (image,), BuildPlace(), oci=oci)
            seen = 0
            while not (reply := await images.answers[BuildImages](replace(body, seen=seen))).is_over:
                seen += len(reply.lines)
        await images.placed(app(function(image), function(image, "g", isolation="oci")), "")
        assert [any(step.force for step in each.steps) for each in builder.built] == [True, True, False, True]
        assert builder.anew == [True, False]

    run(body)


def test_builds_for_functions_without_a_level_are_of_the_servers_own() -> None:
    async def body() -> None:
        builder = Builder()
        images = ImagesRoom(None, lambda: builder, isolation="oci")
        reply = await images.answers[BuildImages](BuildImages("shop", (PLAIN,), BuildPlace(), oci=None))
        assert reply.is_over
        assert builder.anew == [True]

    run(body)


def test_what_no_environment_can_have_is_told_where_a_server_builds_and_not_of_oci_images() -> None:
    async def body() -> None:
        builder = Builder()
        builder.lacks = ["git is not installed"]

        async def told(images: ImagesRoom, *, oci: bool | None) -> list[str]:
            asked = BuildImages("shop", (PLAIN, replace(PLAIN, env={})), BuildPlace(), oci=oci)
            reply: ImagesBuilt = await images.answers[BuildImages](asked)
            return reply.lines

        stays = room(builder, builds=True)
        assert await told(stays, oci=None) == await told(stays, oci=False) == ["Warning: git is not installed"]
        assert await told(stays, oci=True) == await told(room(builder), oci=False) == []

    run(body)


def test_an_entrypoint_that_does_not_count_is_told_where_a_server_builds() -> None:
    async def body() -> None:
        image = motet.Image.debian_slim().entrypoint(["tini", "--"]).spec
        reply = await room(Builder(), builds=True).answers[BuildImages](BuildImages("shop", (image,), BuildPlace()))
        (line,) = reply.lines
        assert line.startswith("Warning: Image.entrypoint")
        assert line.endswith(
            'is not carried out: containers begin with Motet, and with this under isolation="oci" alone'
        )

    run(body)


def test_memory_snapshots_that_the_servers_own_level_does_not_have_are_told() -> None:
    async def body() -> None:
        asked = BuildImages("shop", (), BuildPlace(), oci=None, snapshots=("warm", "hot"))
        within = ImagesRoom(None, Builder, builds=True, isolation="bubblewrap")
        (line,) = (await within.answers[BuildImages](asked)).lines
        assert line.startswith(
            "Warning: enable_memory_snapshot has no effect on the isolation level 'bubblewrap' (for warm, hot)"
        )
        assert (await room(Builder(), builds=True).answers[BuildImages](asked)).lines == []

    run(body)


def asked(room: ImagesRoom, seen: int) -> Awaitable[Any]:
    return room.answers[BuildImages](BuildImages("shop", (KITE,), BuildPlace(), seen=seen))


def test_who_waits_for_a_build_is_told_what_it_does_and_all_wait_for_the_same() -> None:
    async def body() -> None:
        builder = Builder()
        images = room(builder)
        first, second = await asyncio.gather(asked(images, 0), asked(images, 0))
        assert first == second == ImagesBuilt(["Resolving"], False)
        builder.go_on.set()
        assert await asked(images, 1) == ImagesBuilt(["Built"], False)
        assert await asked(images, 2) == ImagesBuilt([], True)
        assert builder.built == [KITE]

    run(body)


def test_why_a_build_failed_is_the_answer_and_the_next_one_begins_anew() -> None:
    async def body() -> None:
        builder = Builder()
        builder.error = ImageBuildError("no such package")
        builder.go_on.set()
        images = room(builder)
        for _ in range(2):
            assert await asked(images, 0) == ImagesBuilt(["Resolving"], False)
            with pytest.raises(ImageBuildError, match="no such package"):
                await asked(images, 1)
        assert len(builder.built) == 2

    run(body)


def test_a_server_that_ends_ends_its_builds() -> None:
    async def body() -> None:
        images = room(Builder())
        await asked(images, 0)
        await images.close()

    run(body)


def test_what_a_build_told_is_not_kept_for_a_client_that_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_builds, "KEPT_FOR", 0.0)

    async def body() -> None:
        builder = Builder()
        builds = ImageBuilds(_with_source, Equipping(lambda: builder, builds=True))
        asked = BuildImages("shop", (KITE,), BuildPlace())
        assert await builds.answers[BuildImages](asked) == ImagesBuilt(["Resolving"], False)
        (running,) = builds._running.values()
        builder.go_on.set()
        await running.task
        for _ in range(10):
            await asyncio.sleep(0)
        assert builds._running == {}

    run(body)


async def _with_source(spec: AppSpec, bundle: str) -> AppSpec:
    return spec
