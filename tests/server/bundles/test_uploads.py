"""Bundles over the wire: what is offered is checked, what is lacking is taken, and nothing else."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvloop

from motet.errors import ConnectionError, InvalidError, PermissionDeniedError, ResourceExhaustedError
from motet.model.bundle import MAX_FILES, BundleFile, Manifest, digest_of
from motet.server.access.door import Principal
from motet.server.access.rights import CALL, LOOK, OPERATE
from motet.server.bundles import uploads
from motet.server.config import ServerConfig
from motet.server.server import Server
from motet.store.bundles import BundleDirectory
from motet.store.memory import MemoryCallStore
from motet.testing.backends import FakeBackend
from motet.wire import codec, failure
from motet.wire.bundle_messages import BundleOffered, OfferBundle, Piece, PutPieces
from motet.wire.client_messages import Done, Request, RequestFailed
from tests.server.stage import Stage

PAGE = b"<html>" * 1000
FILES = {"work/shop.py": b"import prices\n", "work/page.html": PAGE}


def offer(files: dict[str, bytes] = FILES) -> OfferBundle:
    return OfferBundle([BundleFile(path, digest_of(data), len(data)) for path, data in files.items()])


def piece(data: bytes) -> Piece:
    return Piece(digest_of(data), data)


def refused(body: Any) -> BaseException:
    assert isinstance(body, RequestFailed)
    return failure.rebuild(body.failure)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "bundles"


def play(directory: Path | None, scene: Callable[[Stage], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        backend = FakeBackend()
        config = ServerConfig(base_env={}, records=None, listen="nowhere")
        bundles = None if directory is None else BundleDirectory(directory)
        server = Server(config, backend, MemoryCallStore(), bundles=bundles)
        await server.start()
        try:
            await scene(Stage(server, backend))
        finally:
            await server.stop()

    uvloop.run(run())


def test_what_is_lacking_is_asked_for_and_taken_packed_or_not(directory: Path) -> None:
    async def scene(stage: Stage) -> None:
        client = stage.client()
        offered = await client.answer(offer())
        assert isinstance(offered, BundleOffered)
        assert sorted(offered.lacking) == sorted(map(digest_of, FILES.values()))
        packed = Piece(digest_of(PAGE), zlib.compress(PAGE), packed=True)
        assert await client.answer(PutPieces([piece(FILES["work/shop.py"]), packed])) == Done()
        again = await stage.client().answer(offer())
        assert again == BundleOffered(offered.digest, [])
        tree = BundleDirectory(directory).place(offered.digest)
        assert (tree / "work/page.html").read_bytes() == PAGE

    play(directory, scene)


HOSTILE = [
    "../evil.py",
    "/etc/cron.d/evil",
    "work/../../evil",
    "work/./a",
    "work//a",
    "",
    ".",
    "..",
    "work\\..\\evil",
    "a\0b",
    "a\nb",
    "x/" * 100 + "a",
    "y" * 300,
]


@pytest.mark.parametrize("path", HOSTILE)
def test_a_path_that_leads_elsewhere_is_refused_and_nothing_is_written(directory: Path, path: str) -> None:
    async def scene(stage: Stage) -> None:
        client = stage.client()
        body = OfferBundle([BundleFile("work/a", digest_of(b"a"), 1), BundleFile(path, digest_of(b"a"), 1)])
        error = refused(await client.answer(body))
        assert isinstance(error, InvalidError)
        assert "path" in str(error)
        assert isinstance(refused(await client.answer(PutPieces([piece(b"a")]))), InvalidError)

    play(directory, scene)
    assert not directory.exists() or [name for _, _, names in os.walk(directory) for name in names] == []


@pytest.mark.parametrize(("one", "other"), [("a", "A"), ("a", "a"), ("a", "a/b"), ("é/x", "E\u0301/y")])
def test_two_paths_that_can_be_one_are_refused(directory: Path, one: str, other: str) -> None:
    async def scene(stage: Stage) -> None:
        body = OfferBundle([BundleFile(path, digest_of(b"a"), 1) for path in (one, other)])
        assert isinstance(refused(await stage.client().answer(body)), InvalidError)

    play(directory, scene)


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (Piece(digest_of(PAGE), b"x" * len(PAGE)), "was sent as .*, and is "),
        (Piece(digest_of(PAGE), PAGE[:-1]), "was sent as .*, and is "),
        (Piece(digest_of(PAGE), PAGE + b"x"), "was to have 6000 bytes, and has more"),
        (Piece(digest_of(PAGE), zlib.compress(bytes(2**24)), packed=True), "was to have 6000 bytes, and has more"),
        (Piece(digest_of(PAGE), zlib.compress(PAGE)[:-8], packed=True), "was sent as .*, and is "),
        (Piece(digest_of(PAGE), b"no zlib", packed=True), "cannot be unpacked"),
        (Piece(digest_of(b"other"), b"other"), "no bundle that was offered lacks piece"),
    ],
)
def test_a_piece_that_is_not_what_was_announced_is_refused_and_not_kept(directory: Path, sent: Piece, why: str) -> None:
    async def scene(stage: Stage) -> None:
        client = stage.client()
        await client.answer(offer())
        error = refused(await client.answer(PutPieces([sent])))
        assert isinstance(error, InvalidError)
        assert re.search(why, str(error))
        assert len((await client.answer(offer())).lacking) == 2

    play(directory, scene)
    assert list((directory / "pieces").iterdir()) == []


@pytest.mark.parametrize(
    "files",
    [
        [["work/a", "../../etc/passwd", 1, False]],
        [["work/a", "A" * 64, 1, False]],
        [["work/a", "a" * 64, 2**40, False]],
        [["work/a", "a" * 64, -1, False]],
        [["x" * 5000, "a" * 64, 1, False]],
        [["work/a", "a" * 64, 1, False]] * (MAX_FILES + 1),
    ],
    ids=["a path for a digest", "no digest", "too large", "less than nothing", "a long path", "too many"],
)
def test_what_no_client_of_ours_sends_is_no_message(files: list[Any]) -> None:
    (message,) = msgspec.msgpack.decode(codec.frames([Request(1, offer())])[1])
    assert message[2][1][0][0] == "work/shop.py"
    message[2][1] = files
    with pytest.raises(ConnectionError, match="not Motet's"):
        codec.decode_to_server(memoryview(msgspec.msgpack.encode([message])))


def test_two_who_deploy_the_same_at_once_both_may_send_it(directory: Path) -> None:
    async def scene(stage: Stage) -> None:
        one, other = stage.client(), stage.client()
        lacking = [(await each.answer(offer())).lacking for each in (one, other)]
        assert lacking[0] == lacking[1] != []
        for client in (one, other):
            assert await client.answer(PutPieces([piece(data) for data in FILES.values()])) == Done()

    play(directory, scene)


def test_who_lies_about_the_size_of_others_pieces_is_refused_and_does_them_no_harm(directory: Path) -> None:
    lie = OfferBundle([BundleFile("work/a", digest_of(PAGE), 7)])

    async def scene(stage: Stage) -> None:
        good, bad = stage.client(), stage.client()
        digest = (await good.answer(offer())).digest
        await bad.answer(lie)  # nobody knows better yet
        assert await good.answer(PutPieces([piece(data) for data in FILES.values()])) == Done()
        assert "has 6000 bytes, and not 7" in str(refused(await bad.answer(lie)))
        assert (await good.answer(offer())).lacking == []
        store = BundleDirectory(directory)
        with pytest.raises(InvalidError, match="has 6000 bytes, and not 7"):
            store.place(Manifest(lie.files).digest)
        assert (store.place(digest) / "work/page.html").read_bytes() == PAGE

    play(directory, scene)


def test_too_much_is_refused(directory: Path) -> None:
    async def scene(stage: Stage) -> None:
        sizes = OfferBundle([BundleFile(str(number), digest_of(b"%d" % number), 100 * 2**20) for number in range(11)])
        error = refused(await stage.client().answer(sizes))
        assert str(error) == "a bundle may have 1024 MiB at most, and this one has 1100.0 MiB"

    play(directory, scene)


def test_what_waits_for_the_disk_is_bounded(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_HELD_BYTES", len(PAGE) - 1)

    async def scene(stage: Stage) -> None:
        client = stage.client()
        await client.answer(offer())
        assert isinstance(refused(await client.answer(PutPieces([piece(PAGE)]))), ResourceExhaustedError)
        assert await client.answer(PutPieces([piece(FILES["work/shop.py"])])) == Done()

    play(directory, scene)


def test_only_who_may_deploy_may_send_source(directory: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.client().answer(offer())
        caller = stage.principal(Principal("caller", CALL | LOOK | OPERATE))
        for body in (offer(), PutPieces([piece(PAGE)])):
            assert isinstance(refused(await caller.answer(body)), PermissionDeniedError)

    play(directory, scene)


def test_a_server_inside_a_program_keeps_none() -> None:
    async def scene(stage: Stage) -> None:
        error = refused(await stage.client().answer(offer()))
        assert "this server ends with its program, and keeps no deployments" in str(error)

    play(None, scene)


def test_the_digest_is_the_one_that_the_client_computes(directory: Path) -> None:
    async def scene(stage: Stage) -> None:
        body = offer()
        assert (await stage.client().answer(body)).digest == Manifest(body.files).digest

    play(directory, scene)
