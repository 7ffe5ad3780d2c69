"""The unit of systemd and the Containerfile for a server: what they say holds for the server as it is."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from motet.cli.main import motet
from motet.server.standing import ENDING_GRACE

DIRECTORY = Path(__file__).parent.parent / "examples/server"
UNIT, CONTAINERFILE = DIRECTORY / "motet.service", DIRECTORY / "Containerfile"


def service() -> dict[str, list[str]]:
    """The keys of the service, each with all its values."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in UNIT.read_text().splitlines():
        if line.startswith("["):
            section = line
        elif section == "[Service]" and line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def options_of(command: list[str]) -> None:
    """Raises unless these are options that `motet server` has, beyond which it would start."""
    told = CliRunner().invoke(motet, ["server", *command, "--help"])
    assert told.exit_code == 0, told.output
    known = set(re.findall(r"--[a-z-]+", told.output))
    assert {word for word in command if word.startswith("--")} <= known


def test_the_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here")
    # The program and the user that it names are not on this machine.
    text = UNIT.read_text().replace("/opt/motet/bin/motet", "/bin/true")
    path = tmp_path / "motet.service"
    path.write_text(re.sub(r"(?m)^(User|Group)=.*$", r"\1=root", text))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    ours = [line for line in done.stderr.splitlines() if path.name in line]
    assert (done.returncode, ours) == (0, [])


def test_the_unit_is_a_plain_file_of_sections() -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(UNIT.read_text())
    assert parser.sections() == ["Unit", "Service", "Install"]


def test_the_unit_gives_the_server_the_time_to_end_that_it_takes_at_most() -> None:
    keys = service()
    env = dict(pair.split("=", 1) for pair in keys["Environment"])
    assert float(keys["TimeoutStopSec"][0]) > float(env["MOTET_STOP_GRACE"]) + ENDING_GRACE
    assert (keys["Type"], keys["Restart"]) == (["notify"], ["always"])
    assert keys["KillMode"] == ["process"]  # or what a killed server leaves to the next one would be killed, too
    assert env["MOTET_HOME"] == f"/var/lib/{keys['StateDirectory'][0]}"


def test_the_unit_starts_the_server_with_options_that_it_has() -> None:
    (command,) = service()["ExecStart"]
    program, server, *options = shlex.split(command)
    assert (Path(program).name, server) == ("motet", "server")
    options_of(options)


def test_the_containerfile_starts_the_server_with_options_that_it_has() -> None:
    text = CONTAINERFILE.read_text()
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]
    words = dict(line.split(None, 1) for line in lines)
    known = {"FROM", "RUN", "USER", "ENV", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
    assert set(words) == known
    assert words["ENTRYPOINT"] == '["motet", "server"]'
    options = re.findall(r'"([^"]*)"', words["CMD"])
    options_of(options)
    assert options[options.index("--port") + 1] == words["EXPOSE"]
    assert words["USER"] != "root"
    grace = re.search(r"MOTET_STOP_GRACE=(\d+)", words["ENV"])
    limit = re.search(r"--stop-timeout (\d+)", text)
    assert grace is not None
    assert limit is not None
    assert float(limit[1]) > float(grace[1]) + ENDING_GRACE
