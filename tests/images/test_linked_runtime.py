from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from motet.images.linked_runtime import linked_runtime, to_install

RUN = "import motet.runtime.lifecycle.template, msgspec, cloudpickle, uvloop; print(motet.__file__)"


def test_a_bare_interpreter_runs_motet_with_the_links_and_nothing_else(tmp_path: Path) -> None:
    runtime = linked_runtime(tmp_path, True)
    code = f"import sys; sys.path.append({str(runtime)!r}); {RUN}"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).is_relative_to(runtime)
    assert not (runtime / "pytest").exists()


def test_the_path_stays_when_the_base_changes(tmp_path: Path) -> None:
    runtime = linked_runtime(tmp_path, True)
    assert linked_runtime(tmp_path, True) == runtime
    before = runtime.resolve()
    (tmp_path / "gone").mkdir()
    runtime.unlink()
    runtime.symlink_to("gone")  # as if it had been made of other packages
    assert linked_runtime(tmp_path, True).resolve() == before


def test_for_another_python_what_is_compiled_is_installed_and_not_linked(tmp_path: Path) -> None:
    assert to_install(True) == []
    assert {"msgspec>=0.19", "uvloop>=0.19"} <= set(to_install(False))
    runtime = linked_runtime(tmp_path, False)
    assert (runtime / "cloudpickle").is_dir()
    assert not (runtime / "msgspec").exists()
