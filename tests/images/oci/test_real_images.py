"""Programs whose functions run in OCI images: built and run by podman, on a base that is made here without a registry."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.free_port import free_port
from tests.images.oci.machine import OciMachine

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(900)]

PATIENCE = 300.0
_BEGINS = "import json, os, subprocess, sys\nimport motet\n\napp = motet.App('oci')\n"
_REGISTRY = (
    "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {directory}}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n"
)


class Programs:
    """Runs programs on a machine with OCI images."""

    def __init__(self, machine: OciMachine, directory: Path) -> None:
        self.machine = machine
        self.directory = directory
        self.env = {**machine.env, "MOTET_HOME": str(directory / "home")}

    def command(self, source: str) -> list[str]:
        program = self.directory / "program.py"
        program.write_text(_BEGINS + textwrap.dedent(source))
        return [sys.executable, "-m", "motet", "run", str(program)]

    def run(self, source: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(source),
            env={**self.env, **env},
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def result(self, source: str, **env: str) -> Any:
        """What the program's last line of stdout says, as JSON."""
        done = self.run(source, **env)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return json.loads(next(line for line in reversed(done.stdout.splitlines()) if line.startswith(("{", "["))))


@pytest.fixture
def programs(oci: OciMachine, tmp_path: Path) -> Iterator[Programs]:
    before = set(oci.containers())
    yield Programs(oci, tmp_path)
    wait_until(lambda: set(oci.containers()) <= before)


def wait_until(holds: Any) -> None:
    """For what no event tells: that an engine has deleted what ended."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_function_runs_in_an_image_with_a_package_of_debian(programs: Programs) -> None:
    found = programs.result(
        """
        image = motet.Image.debian_slim().apt_install("hello").env({"FROM": "image"}).workdir("/srv")

        @app.function(image=image, isolation="oci", secrets=[motet.Secret.from_dict({"KEY": "worth"})])
        def look(x):
            said = subprocess.check_output(["hello"], text=True)
            return [x, said, os.environ["FROM"], os.environ["KEY"], sys.executable, os.environ["PATH"].split(":")[0]]

        @app.local_entrypoint()
        def main():
            print(json.dumps(look.remote(7)))
        """
    )
    assert found == [7, "Hello, world!\n", "image", "worth", "/usr/bin/python3", "/usr/local/sbin"]


def test_functions_in_images_run_side_by_side_and_have_a_network_only_if_they_may(programs: Programs) -> None:
    found = programs.result(
        """
        image = motet.Image.debian_slim()

        @app.function(image=image, isolation="oci", block_network=True)
        def alone():
            return os.listdir("/sys/class/net")

        @app.function(image=image, isolation="oci", max_containers=2)
        def double(x):
            return 2 * x

        @app.local_entrypoint()
        def main():
            print(json.dumps([alone.remote(), list(double.map(range(20)))]))
        """
    )
    assert found == [["lo"], [2 * n for n in range(20)]]


def test_a_container_over_its_memory_is_ended_with_the_reason_and_its_neighbours_go_on(programs: Programs) -> None:
    found = programs.result(
        """
        image = motet.Image.debian_slim()

        @app.function(image=image, isolation="oci", memory=(64, 128))
        def eat():
            held = []
            while True:
                held.append(bytearray(10_000_000))

        @app.function(image=image, isolation="oci")
        def neighbour(x):
            return x

        @app.local_entrypoint()
        def main():
            calls = [neighbour.spawn(n) for n in range(3)]
            try:
                eat.remote()
            except Exception as error:
                said = str(error)
            print(json.dumps([said, [call.get() for call in calls]]))
        """
    )
    assert "used more than its 128 MiB of memory" in found[0]
    assert found[1] == [0, 1, 2]


def test_no_secret_is_on_a_command_line_of_the_machine(programs: Programs) -> None:
    seen = programs.result(
        """
        image = motet.Image.debian_slim().run_commands("true", secrets=[motet.Secret.from_dict({"B": "at-the-build"})])

        @app.function(image=image, isolation="oci", secrets=[motet.Secret.from_dict({"R": "at-the-run"})])
        def there():
            return os.environ["R"]

        def lines():
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    yield open(f"/proc/{pid}/cmdline").read()
                except OSError:
                    pass

        @app.local_entrypoint()
        def main():
            assert there.remote() == "at-the-run"
            found = [it for it in lines() if "motet" in it]
            print(json.dumps([len(found) > 0, [it for it in found if "at-the-" in it]]))
        """
    )
    assert seen == [True, []]


def test_what_a_killed_program_leaves_is_gone_soon(programs: Programs) -> None:
    source = """
        @app.function(image=motet.Image.debian_slim(), isolation="oci")
        def stay():
            print("it is up", flush=True)
            import time
            time.sleep(3600)

        @app.local_entrypoint()
        def main():
            stay.remote()
        """
    with subprocess.Popen(
        programs.command(source),
        env=programs.env,
        cwd=programs.directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as program:
        assert program.stdout is not None
        for line in program.stdout:
            if line.rstrip().endswith("it is up"):
                break
        names = programs.machine.containers()
        assert names
        program.send_signal(signal.SIGKILL)
    wait_until(lambda: not set(names) & set(programs.machine.containers()))


def test_images_have_packages_files_and_what_a_function_prepared(programs: Programs) -> None:
    pytest.importorskip("uv", reason="packages are installed by uv: pip install 'motet[images]'")
    wheel = programs.directory / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as packed:
        packed.writestr("tiny.py", "NAME = 'tiny'\n")
        packed.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        packed.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        packed.writestr("tiny-1.0.dist-info/RECORD", "")
    (programs.directory / "context").mkdir()
    (programs.directory / "context" / "data.txt").write_text("from the context")
    (programs.directory / "Dockerfile").write_text(f"FROM {programs.machine.base}\nCOPY data.txt /data.txt\n")
    source = f"""
        def prepare(word):
            open("/prepared", "w").write(word)

        image = (
            motet.Image.from_dockerfile("Dockerfile", context_dir="context")
            .add_local_file({str(wheel)!r}, "/w/{wheel.name}", copy=True)
            .pip_install("/w/{wheel.name}")
            .run_function(prepare, args=("ready",))
            .add_local_file({str(wheel)!r}, "/later/wheel")
        )

        @app.function(image=image, isolation="oci")
        def look():
            import tiny
            return [tiny.NAME, open("/data.txt").read(), open("/prepared").read(), os.path.exists("/later/wheel")]

        @app.local_entrypoint()
        def main():
            print(json.dumps(look.remote()))
        """
    assert programs.result(source) == ["tiny", "from the context", "ready", True]


def test_a_step_that_fails_is_told_before_any_container_starts(programs: Programs) -> None:
    done = programs.run(
        """
        image = motet.Image.debian_slim().run_commands("echo about to fail; exit 3")

        @app.function(image=image, isolation="oci")
        def never():
            pass

        @app.local_entrypoint()
        def main():
            never.remote()
        """
    )
    assert done.returncode != 0
    assert "step 'run_commands echo about to fail; exit 3' failed" in done.stderr
    assert "    about to fail" in done.stderr


def test_without_an_engine_there_is_one_sentence(programs: Programs) -> None:
    done = programs.run(
        """
        @app.function(image=motet.Image.debian_slim(), isolation="oci")
        def never():
            pass

        @app.local_entrypoint()
        def main():
            never.remote()
        """,
        PATH="/nowhere",
    )
    assert done.returncode != 0
    assert "podman and docker are not found on this machine: install podman" in done.stderr


@pytest.mark.skipif(shutil.which("buildah") is None, reason="buildah is not installed: apt-get install buildah")
def test_buildah_builds_what_podman_runs(programs: Programs) -> None:
    found = programs.result(
        """
        image = motet.Image.debian_slim().run_commands("echo by buildah > /built")

        @app.function(image=image, isolation="oci")
        def look():
            return [open("/built").read()]

        @app.local_entrypoint()
        def main():
            print(json.dumps(look.remote()))
        """,
        MOTET_BUILDER="buildah",
    )
    assert found == ["by buildah\n"]


@contextmanager
def registry(directory: Path) -> Iterator[str]:
    """A registry on this machine; its host and port."""
    port = free_port()
    configuration = directory / "registry.yml"
    configuration.write_text(_REGISTRY.format(directory=directory / "registry", port=port))
    with subprocess.Popen(
        ["docker-registry", "serve", str(configuration)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()


@pytest.mark.skipif(
    shutil.which("docker-registry") is None, reason="there is no registry here: apt-get install docker-registry"
)
def test_an_image_of_a_registry_is_a_base(programs: Programs) -> None:
    with registry(programs.directory) as host:
        name = f"{host}/bases/python:1"
        push = ["podman", "push", "--tls-verify=false", programs.machine.base, name]
        wait_until(lambda: subprocess.run(push, env=programs.env, check=False, capture_output=True).returncode == 0)
        found = programs.result(
            f"""
            image = motet.Image.from_registry({name!r}).run_commands("echo pulled > /built")

            @app.function(image=image, isolation="oci")
            def look():
                return [open("/built").read()]

            @app.local_entrypoint()
            def main():
                print(json.dumps(look.remote()))
            """
        )
    assert found == ["pulled\n"]


def images_of(programs: Programs) -> Any:
    """What `motet image list` knows."""
    command = [sys.executable, "-m", "motet", "image", "list", "--json"]
    return json.loads(subprocess.run(command, env=programs.env, capture_output=True, text=True, check=True).stdout)


def test_a_sandbox_runs_in_its_image_with_what_that_says_of_commands(programs: Programs) -> None:
    (programs.directory / "data.txt").write_text("data")
    said = programs.result(
        """
        image = (
            motet.Image.debian_slim().env({"A": "b"}).run_commands("mkdir -p /srv/x; echo built > /srv/x/f")
            .workdir("/srv/x").entrypoint(["env", "X=1"]).cmd(["sh", "-c", "echo $X; cat f"])
            .add_local_file("data.txt", "/data/data.txt")
        )

        @app.local_entrypoint()
        def main():
            box = motet.Sandbox.create(app=app, image=image, isolation="oci")
            box.wait()
            first = box.stdout.read()
            with motet.Sandbox.create("cat", app=app, image=image, isolation="oci", block_network=True) as box:
                line = "pwd; echo $HOME $A; cat /data/data.txt; ls /sys/class/net; stty size"
                shown = box.exec("sh", "-c", line, pty=True).stdout.read().split()
                box.filesystem.write_text("kept", "note")
                note = box.filesystem.read_text("/srv/x/note")
                kept = box.snapshot_filesystem()
            box = motet.Sandbox.create("cat", "note", app=app, image=kept, isolation="oci", env={"SECRET": "s"})
            box.wait()
            print(json.dumps([first, shown, note, os.path.exists("/srv/x"), box.stdout.read()]))
        """
    )
    assert said == ["1\nbuilt\n", ["/srv/x", "/root", "b", "datalo", "24", "80"], "kept", False, "kept"]
    steps = [each["steps"][0].split()[0] for each in images_of(programs)]
    assert sorted(steps) == ["debian_slim", "from_registry", "snapshot_filesystem"]


def test_an_image_is_listed_and_let_go_of_when_nobody_uses_it(programs: Programs) -> None:
    programs.result(
        """
        image = motet.Image.debian_slim().run_commands("echo listed > /built")

        @app.function(image=image, isolation="oci")
        def look():
            return [open("/built").read()]

        @app.local_entrypoint()
        def main():
            print(json.dumps(look.remote()))
        """
    )

    def motet_image(*words: str) -> str:
        command = [sys.executable, "-m", "motet", "image", *words]
        return subprocess.run(command, env=programs.env, capture_output=True, text=True, check=True).stdout

    (listed,) = json.loads(motet_image("list", "--json"))
    assert (listed["kind"], list(listed["apps"]), listed["size"] > 2**20) == ("oci", ["oci"], True)
    assert "RUN echo listed" in motet_image("logs", listed["name"])
    assert "1 OCI image removed" in motet_image("prune", "--older-than", "0", "-y")
    assert json.loads(motet_image("list", "--json")) == []
