"""What `ignore=` leaves out, as a `.dockerignore` does."""

from __future__ import annotations

import pytest

from motet.bundles.ignoring import ignores, kept_patterns
from motet.errors import InvalidError

PATHS = ["a.txt", "b.py", "data/a.txt", "data/raw/a.txt", "data/raw/deep/b.py", "x[1].txt"]


@pytest.mark.parametrize(
    ("patterns", "ignored"),
    [
        ([], []),
        (["*.txt"], ["a.txt", "x[1].txt"]),
        (["**/*.txt"], ["a.txt", "data/a.txt", "data/raw/a.txt", "x[1].txt"]),
        (["**"], PATHS),
        (["data"], ["data/a.txt", "data/raw/a.txt", "data/raw/deep/b.py"]),
        (["/data/"], ["data/a.txt", "data/raw/a.txt", "data/raw/deep/b.py"]),
        (["data/*"], ["data/a.txt", "data/raw/a.txt", "data/raw/deep/b.py"]),
        (["data/**/b.py"], ["data/raw/deep/b.py"]),
        (["**/raw"], ["data/raw/a.txt", "data/raw/deep/b.py"]),
        (["?.txt"], ["a.txt"]),
        (["[ab].*"], ["a.txt", "b.py"]),
        (["[!a].*"], ["b.py"]),
        (["**", "!**/*.py"], ["a.txt", "data/a.txt", "data/raw/a.txt", "x[1].txt"]),
        (["data", "!data/a.txt"], ["data/raw/a.txt", "data/raw/deep/b.py"]),
        (["x[1].txt"], []),
        (["x[[]1].txt"], ["x[1].txt"]),
    ],
)
def test_patterns(patterns: list[str], ignored: list[str]) -> None:
    assert [path for path in PATHS if ignores(patterns)(path)] == ignored


def test_a_function_says_so_of_paths() -> None:
    kept = kept_patterns("add_local_dir", lambda path: path.suffix == ".txt")
    assert [path for path in PATHS if ignores(kept)(path)] == ["a.txt", "data/a.txt", "data/raw/a.txt", "x[1].txt"]


@pytest.mark.parametrize("ignore", ["*.txt", [1], {"a": 1}, None])
def test_anything_else_is_refused(ignore: object) -> None:
    with pytest.raises(InvalidError, match=r"Image\.add_local_dir: `ignore` takes a list of patterns or a function"):
        kept_patterns("add_local_dir", ignore)


def test_what_is_no_pattern_is_named() -> None:
    with pytest.raises(InvalidError, match=r"'\[z-a\]' in an image's `ignore` is no pattern"):
        ignores(["[z-a]"])
