"""What a bundle may be: its paths lead nowhere else, on whatever system they are written."""

from __future__ import annotations

import posixpath

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motet.errors import InvalidError
from motet.model.bundle import MAX_FILES, BundleFile, Manifest, check_path, digest_of

A, B = digest_of(b"a"), digest_of(b"b")


def file(path: str, piece: str = A, size: int = 1) -> BundleFile:
    return BundleFile(path, piece, size)


def test_a_digest_is_that_of_the_files_whatever_their_order() -> None:
    files = [file("work/a.py"), file("work/b.py", B), BundleFile("work/run", A, 1, True)]
    one, other = Manifest(files), Manifest(reversed(files))
    assert one.digest == other.digest
    assert one.files == other.files
    assert one.pieces == {A: 1, B: 1}
    changed = [
        [file("work/a.py", B), *files[1:]],
        [file("work/c.py"), *files[1:]],
        [*files[:2], file("work/run")],
        files[:2],
    ]
    assert len({one.digest, *(Manifest(each).digest for each in changed)}) == 5


@pytest.mark.parametrize(
    "path",
    [
        *(
            "",
            "/",
            "/etc/passwd",
            "//a",
            "..",
            "../a",
            "a/..",
            "a/../b",
            "a/../../b",
            ".",
            "./a",
            "a/./b",
            "a/",
            "a//b",
        ),
        *("a\0b", "a\nb", "a\x7fb", "a\\b", "..\\a", "C:\\a", "\\\\host\\a", "a\udc80", "a/\udfff/b"),
        *("x" * 256, "/".join(["x"] * 65), "/".join(["x" * 200] * 6), "é" * 128),
    ],
)
def test_a_path_that_may_lead_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(InvalidError, match="path"):
        Manifest([file(path)])


@pytest.mark.parametrize("path", ["a", "work/a b.py", "work/.env", "work/...", "work/é.py", "work/日本.txt", "x" * 255])
def test_any_other_path_is_let_be(path: str) -> None:
    assert Manifest([file(path)]).files[0].path == path


@given(st.text(st.sampled_from("ab./\\.é\0\n ~:"), max_size=12))
def test_whatever_is_let_be_stays_below_its_directory(path: str) -> None:
    try:
        check_path(path)
    except InvalidError:
        return
    assert posixpath.normpath(posixpath.join("/tree", path)) == f"/tree/{path}"
    assert path.encode().decode().isprintable()


@pytest.mark.parametrize(
    ("paths", "why"),
    [
        (["a", "a"], "'a' is in a bundle twice"),
        (["a/b.py", "a/B.py"], "cannot both be in a bundle"),
        (["A/b.py", "a/c.py"], "cannot both be in a bundle"),
        (["caf\u00e9.py", "cafe\u0301.py"], "cannot both be in a bundle"),
        (["stra\u00dfe", "STRASSE"], "cannot both be in a bundle"),
        (["a", "a/b"], "'a' cannot be both a file of a bundle and a directory"),
        (["a/b/c", "A"], "'A' cannot be both a file of a bundle and a directory"),
    ],
)
def test_no_path_stands_for_two_things_on_any_file_system(paths: list[str], why: str) -> None:
    with pytest.raises(InvalidError, match=why):
        Manifest([file(path) for path in paths])


def test_what_is_too_much_is_refused() -> None:
    with pytest.raises(InvalidError, match=f"may have {MAX_FILES} files at most, and this one has {MAX_FILES + 1}"):
        Manifest(file(str(number)) for number in range(MAX_FILES + 1))
    with pytest.raises(InvalidError, match=r"may have 1024 MiB at most, and this one has 1100\.0 MiB"):
        Manifest(BundleFile(str(number), A, 100 * 2**20) for number in range(11))


def test_a_piece_has_one_size() -> None:
    with pytest.raises(InvalidError, match=f"disagree about the size of piece {A}"):
        Manifest([file("a"), file("b", size=2)])


@pytest.mark.parametrize("piece", ["", "../../etc/passwd", A.upper(), A[:-1], A + "0", "0" * 63 + "/", A[:-1] + "\n"])
def test_a_piece_is_called_by_a_hash_and_nothing_else(piece: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(msgspec.msgpack.encode(["a", piece, 1]), type=BundleFile)
