"""What a server behind the proxy is asked for."""

from __future__ import annotations

import pytest

from motet.runtime.web.proxy import target_of


@pytest.mark.parametrize(
    ("raw_path", "root_path", "query", "target"),
    [
        (b"/a%20b", "", b"", b"/a%20b"),
        (b"/a", "", b"c=%E9", b"/a?c=%E9"),
        (b"/label/a", "/label", b"", b"/a"),
        (b"/%6Cabel/a", "/label", b"", b"/a"),  # the label, however the client encodes it
        (b"/label/", "/label", b"x", b"/?x"),
    ],
)
def test_server_is_asked_for_paths_of_its_own(raw_path: bytes, root_path: str, query: bytes, target: bytes) -> None:
    assert target_of({"raw_path": raw_path, "root_path": root_path, "query_string": query}) == target
