"""How a build goes."""

from __future__ import annotations

import json
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from motet.errors import ImageBuildError, InvalidError, ServiceError
from motet.images.oci.build import BuildStop
from motet.images.oci.context import digest, located
from motet.images.oci.stages import Copied
from motet.model.image import AddedFiles, ImageSpec, PythonPackages, RegistryImage, ShellCommands, Step
from motet.model.local_files import LocalFiles

from .fake_engine import Machine


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return Machine(tmp_path)


def image(*steps: Step) -> ImageSpec:
    return ImageSpec(steps=steps)


def nobody(line: str) -> None:
    """Is told, and forgets it."""


def test_an_image_is_built_once_and_its_lines_are_told_and_kept(machine: Machine) -> None:
    lines: list[str] = []
    spec = image(ShellCommands(commands=("true",)))
    built = machine.images().ensure(spec, lines.append)
    again = machine.images().ensure(spec, nobody)
    assert (built, machine.builds) == (again, 1)
    assert lines[-1] == "STEP 2/9: RUN true"
    assert "STEP 2/9: RUN true\n" in machine.images().notes.log(built.tag.rpartition(":")[2]).read_text()
    assert (built.runtime / "motet" / "__init__.py").exists()
    assert (built.python.executable, built.env) == ("/usr/bin/python3", {"PATH": "/usr/bin", "A": "b=c"})


def test_ten_who_ask_for_one_image_have_it_built_once(machine: Machine) -> None:
    spec, together = image(ShellCommands(commands=("true",))), threading.Barrier(10)

    def ask(_: int) -> str:
        together.wait()
        return machine.images().ensure(spec, nobody).tag

    with ThreadPoolExecutor(10) as pool:
        assert len(set(pool.map(ask, range(10)))) == 1
    assert machine.builds == 1


def test_a_failing_step_is_told_with_its_last_lines_and_nothing_is_left(machine: Machine) -> None:
    spec = image(ShellCommands(commands=("true", "fail now")))
    with pytest.raises(ImageBuildError) as raised:
        machine.images().ensure(spec, nobody)
    said = str(raised.value)
    assert "step 'run_commands true fail now' failed: podman ended with status 7" in said
    assert "    STEP 3/9: RUN fail now\n    what went wrong" in said
    assert "STEP 2/9" not in said
    assert not list(Path(tempfile.gettempdir()).iterdir())
    with pytest.raises(ImageBuildError):
        machine.images().ensure(spec, nobody)
    assert machine.builds == 2


def test_a_full_disk_and_a_killed_build_are_told_as_such(machine: Machine) -> None:
    spec = image(ShellCommands(commands=("fail",)))
    with pytest.raises(ImageBuildError, match="the disk is full"):
        machine.images(SAYS="write /x: no space left on device").ensure(spec, nobody)
    with pytest.raises(ImageBuildError, match="podman was killed by signal 9"):
        machine.images(DIES="1").ensure(spec, nobody)
    with pytest.raises(ImageBuildError, match="no Python that is called python3"):
        machine.images(SAYS="error: No system Python installation found").ensure(spec, nobody)


def test_a_build_finds_its_files_and_secrets_which_are_gone_afterwards(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.txt").write_text("a")
    (tmp_path / "data" / "b.tmp").write_text("b")
    added = LocalFiles(kind="directory", source=str(tmp_path / "data"), target="/data", ignore=("*.tmp",))
    spec = image(
        AddedFiles(files=(added,), is_copied=True, way="add_local_dir"),
        PythonPackages(lines=("six",), secrets={"KEY": "it's"}),
    )
    machine.images(UV_INDEX_URL="https://index", SSL_CERT_FILE=str(machine.uv)).ensure(spec, nobody)
    files, secrets = json.loads((machine.store / "seen").read_text())
    assert files == [f"files/{digest(Copied(str(tmp_path / 'data'), ('*.tmp',)))}/a.txt", "uv"]
    assert secrets == {
        "indexes": "UV_INDEX_URL=https://index\nSSL_CERT_FILE=/opt/motet-build/certificates\n",
        "secrets-0": "KEY='it'\"'\"'s'\n",
        "uv": "uv",
    }
    assert not list(Path(tempfile.gettempdir()).iterdir())


def test_an_image_without_python_or_with_an_old_one_is_refused(machine: Machine) -> None:
    spec = image(RegistryImage(reference="some/base"))
    with pytest.raises(ImageBuildError, match=r'has no Python that is called python3.*add_python="3.12"'):
        machine.images(ANSWERS="127").ensure(spec, nobody)
    with pytest.raises(ImageBuildError, match=r"from_registry some/base has Python 3.8, and Motet needs 3.11 or later"):
        machine.images(VERSION="[3, 8]").ensure(spec, nobody)


def test_an_engine_that_does_not_answer_is_told_in_its_words(machine: Machine) -> None:
    with pytest.raises(ServiceError, match=r"cannot connect to the daemon\. Is it running"):
        machine.images(SICK="cannot connect to the daemon").ensure(image(), nobody)


def test_an_image_to_be_taken_anew_is_built_each_time(machine: Machine) -> None:
    spec = image(ShellCommands(commands=("date",), force=True))
    for _ in range(2):
        machine.images().ensure(spec, nobody)
    assert machine.builds == 3


def test_what_an_image_adds_is_known_by_its_content(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("one")
    before = digest(Copied(str(file)))
    file.write_text("two")
    assert digest(Copied(str(file))) != before
    file.chmod(0o755)
    assert digest(Copied(str(file))) not in (before, "")
    with pytest.raises(InvalidError, match="there is no file or directory"):
        digest(Copied(str(tmp_path / "missing")))


def test_a_module_is_found_where_the_program_looks(tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").touch()
    (tmp_path / "single.py").touch()
    path = [str(tmp_path)]
    assert located(LocalFiles(kind="module", source="pack"), path) == Copied(str(tmp_path / "pack"))
    assert located(LocalFiles(kind="module", source="single"), path) == Copied(str(tmp_path / "single.py"))
    with pytest.raises(InvalidError, match="no module of this name"):
        located(LocalFiles(kind="module", source="nowhere_to_be_found"), path)


def test_a_build_can_be_stopped_from_outside(machine: Machine) -> None:
    stop = BuildStop()

    def told(line: str) -> None:
        if "RUN hang" in line:
            stop.now()

    with pytest.raises(ServiceError, match="the build was cancelled"):
        machine.images().ensure(image(ShellCommands(commands=("hang",))), told, stop=stop)
    assert not list(Path(tempfile.gettempdir()).iterdir())
    with pytest.raises(ServiceError, match="the build was cancelled"):
        machine.images().ensure(image(ShellCommands(commands=("true",))), nobody, stop=stop)
