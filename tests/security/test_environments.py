"""Packages of an image's environment run code when its interpreter starts (`.pth`): as the app's user, and within the walls."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import msgspec
import pytest

from motet.backends.base import Launch
from motet.backends.process import ProcessBackend
from motet.images.linked_runtime import linked_runtime
from motet.model.isolation import Isolation, Limits, Mount, Walls
from motet.model.template import TemplateSpec
from motet.server.containers.walling import _of_environment
from motet.wire.template import Preload, encode_preload
from tests.backends.conftest import ROOT, template_env
from tests.contracts.backend_contract import RecordingReports
from tests.security.test_escapes import APP, problem_of, run

ENTRY = "tests.security.in_environment:tell"
AT_START = """import os; os.write(2, f"{{os.getuid()}} {{os.access({witness!r}, os.W_OK)}}\\n".encode())
import os; os.access({witness!r}, os.W_OK) and open({witness!r}, "a").write(str(os.getuid()))
"""
LEVELS = [
    pytest.param(level, marks=pytest.mark.skipif(problem is not None, reason=f"left out: {problem}"))
    for level in ("app users", "bubblewrap")
    for problem in [problem_of(level)]
]


def environment(directory: Path, *, own_msgspec: bool) -> tuple[str, Path]:
    """One as Motet builds them, with a package that runs code at the start: its Python, and the file that this writes to where
    it can. `own_msgspec`: it has a version of its own of what Motet has loaded."""
    made = directory / "environment"
    packages = made / f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    packages.mkdir(parents=True)
    (made / "bin").mkdir()
    base = Path(os.path.realpath(sys.executable))
    (made / "bin/python").symlink_to(base)
    (made / "pyvenv.cfg").write_text(f"home = {base.parent}\n")
    (packages / "kite.py").write_text("VERSION = '1.0'\n")
    witness = directory / "witness"
    witness.touch(mode=0o600)
    (packages / "kite.pth").write_text(AT_START.format(witness=str(witness)))
    runtime = linked_runtime(directory / "runtime", is_same_python=True)
    (packages / "motet_runtime.pth").write_text(os.path.relpath(runtime, packages) + "\n")
    if own_msgspec:
        shutil.copytree(msgspec.__path__[0], packages / "msgspec")
        with (packages / "msgspec/__init__.py").open("a") as source:
            source.write("\n__version__ = '0.0'\n")
    return str(made / "bin/python"), witness


@pytest.mark.parametrize("own_msgspec", [False, True], ids=["forked", "executed"])
@pytest.mark.parametrize("level", LEVELS)
def test_an_environment_runs_code_within_walls_alone(level: str, own_msgspec: bool, tmp_path: Path) -> None:
    python, witness = environment(tmp_path, own_msgspec=own_msgspec)
    uid = APP if os.geteuid() == 0 else None
    isolation: Isolation = "bubblewrap" if level == "bubblewrap" else "process"
    seen = {*_of_environment(python), str(ROOT)}
    mounts = tuple(Mount(source=each, target=each) for each in sorted(seen))
    walls = Walls(isolation=isolation, uid=uid, mounts=mounts)

    async def scenario() -> None:
        reports = RecordingReports()
        backend = ProcessBackend(env=template_env(), scratch=tmp_path, entry=ENTRY)
        await backend.open(reports)
        try:
            ids = {"ta-1": Limits(), "ta-2": Limits(pids=64)}
            for container_id, limits in ids.items():
                backend.start_nowait(
                    Launch(
                        container_id=container_id,
                        address="unix:/nowhere",
                        token="t",
                        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
                        limits=limits,
                        template=TemplateSpec(python=python, walls=walls),
                    )
                )
            for container_id in ids:
                ended = await reports.wait_ended(container_id)
                errors = reports.text(container_id, "stderr")
                assert ended.code == 0, errors
                told = json.loads(reports.text(container_id))
                prefix = str(Path(python).parents[1])
                assert told == {
                    "uid": os.getuid() if uid is None else uid,
                    "prefix": prefix,
                    "purelib": f"{prefix}/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages",
                    "spawned": prefix,
                    "kite": "1.0",
                    "msgspec": "0.0" if own_msgspec else msgspec.__version__,
                    "directory": True,
                    "arguments": ["motet-container"],
                }
                # Itself, and what it has started: a worker, and the tracker of resources.
                assert set(errors.splitlines()) == {f"{told['uid']} False"}
            assert witness.read_text() == ""
        finally:
            await backend.close()

    run(scenario())


@pytest.mark.skipif(problem_of("app users") is not None, reason="left out: it takes root")
def test_a_template_enters_an_environment_as_the_user_of_the_app(tmp_path: Path) -> None:
    python, witness = environment(tmp_path, own_msgspec=False)
    mounts = tuple(Mount(source=each, target=each) for each in sorted({*_of_environment(python), str(ROOT)}))
    preload = encode_preload(Preload(b"", ((b"PATH", os.environb[b"PATH"]),)))
    template = TemplateSpec(python=python, walls=Walls(uid=APP, mounts=mounts), preload=preload)

    async def scenario() -> None:
        reports = RecordingReports()
        backend = ProcessBackend(env=template_env(), scratch=tmp_path, entry=ENTRY)
        await backend.open(reports)
        try:
            launch = Launch(container_id="ta-1", address="unix:/nowhere", token="t", env={}, template=template)
            backend.start_nowait(launch)
            ended = await reports.wait_ended("ta-1")
            errors = reports.text("ta-1", "stderr")
            assert ended.code == 0, errors
            assert json.loads(reports.text("ta-1")) == ["1.0", APP, APP, str(Path(python).parents[1])]
            assert set(errors.splitlines()) == {f"{APP} False"}  # by the template, for its first container to tell
            assert witness.read_text() == ""
        finally:
            await backend.close()

    run(scenario())
