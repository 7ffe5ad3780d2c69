"""A server is replaced by one of another release, and back, under an input that runs; containers and clients stay."""

from __future__ import annotations

import json
import signal
import sys

import pytest

from tests.e2e.restarted import Restarted
from tests.e2e.standing import COMMAND, StandingServer

_AS_NEWER = (
    "import motet.model.version as v, motet.wire.hello as h; v.VERSION, h.WIRE_VERSIONS = '9.0.0', (1, 2); "
    "from motet.cli.main import main; main()"
)
NEWER = [sys.executable, "-c", _AS_NEWER, "server"]
"""The next release, as far as others can tell: it speaks one more version of the wire."""


def test_an_input_goes_on_under_the_next_release_and_under_this_one_again(home: Restarted) -> None:
    home.begin("one")
    home.wait_begun(1)
    for command, release in ((NEWER, "Motet 9.0.0"), (COMMAND, "Motet 0.")):
        if command is NEWER:
            home.kill()
        else:
            assert home.server.end(signal.SIGUSR2)[0] == 0
        home.server = StandingServer(home.home, command=command)
        assert home.server.said[0] == "Taking over 1 container from the server before this one\n"
        assert any(line.startswith(release) for line in home.server.said)
    home.until.touch()
    assert home.result() == "result of a\n"
    assert home.marked() == ["begin a", "end a"]


def test_a_home_of_a_later_format_is_left_as_it_is(home: Restarted) -> None:
    home.server.end()
    directory = home.home / "server"
    (directory / "format.json").write_text(json.dumps({"format": 2, "motet": "9.0.0"}))
    before = {path: path.read_bytes() for path in directory.iterdir() if path.is_file()}
    with pytest.raises(RuntimeError, match=r"was written by a newer Motet \(9.0.0, format 2; .* Nothing was changed"):
        home.start()
    assert {path: path.read_bytes() for path in directory.iterdir() if path.is_file()} == before
