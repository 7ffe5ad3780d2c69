from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import motet
from motet.exception import InvalidError
from motet.model.image import (
    DebianSlim,
    Dockerfile,
    ImageSpec,
    LockedProject,
    PreparingFunction,
    PythonPackages,
    ShellCommands,
    SystemPackages,
    Variables,
    WorkingDirectory,
)
from motet.model.local_files import LocalFiles


def test_steps_are_recorded_in_order() -> None:
    image = (
        motet.Image.debian_slim("3.12")
        .apt_install("ffmpeg", ["git"])
        .pip_install("numpy", ["pandas>=2", ["scipy"]], pre=True)
        .run_commands("echo hello")
        .env({"A": "1"})
        .workdir("/app")
    )
    assert image.spec == ImageSpec(
        env={"A": "1"},
        steps=(
            DebianSlim(python_version="3.12"),
            SystemPackages(packages=("ffmpeg", "git")),
            PythonPackages(lines=("numpy", "pandas>=2", "scipy"), pre=True),
            ShellCommands(commands=("echo hello",)),
            Variables(env={"A": "1"}),
            WorkingDirectory(path="/app"),
        ),
    )
    assert image.spec.requirements == ("numpy", "pandas>=2", "scipy")
    assert image.spec.system_packages == ("ffmpeg", "git")
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(image.spec), type=ImageSpec) == image.spec


def test_an_image_that_was_written_down_as_lines_of_text_has_no_steps() -> None:
    before = {"requirements": ["numpy"], "system_packages": [], "env": {"A": "1"}, "files": [], "steps": ["env A"]}
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(before), type=ImageSpec) == ImageSpec(env={"A": "1"})


def test_an_image_never_changes() -> None:
    base = motet.Image.debian_slim()
    base.pip_install("numpy").env({"A": "1"})
    assert base.spec == ImageSpec(steps=(DebianSlim(),))


def prepare() -> None: ...


IMAGE = motet.Image.debian_slim()
HERE = Path.cwd()


@pytest.mark.parametrize(
    ("build", "step"),
    [
        (lambda: motet.Image.from_registry("python:3.12", add_python="3.12"), "from_registry python:3.12 3.12"),
        (lambda: motet.Image.from_aws_ecr("tag", secret=None), "from_aws_ecr tag"),
        (lambda: motet.Image.from_gcp_artifact_registry("tag"), "from_gcp_artifact_registry tag"),
        (lambda: motet.Image.from_name("mine"), "from_name mine"),
        (motet.Image.from_scratch, "from_scratch"),
        (lambda: IMAGE.uv_pip_install("a"), "uv_pip_install a"),
        (lambda: IMAGE.run_function(prepare, gpu="any"), "run_function prepare"),
        (lambda: IMAGE.dockerfile_commands("RUN true", ["RUN false"]), "dockerfile_commands RUN true RUN false"),
        (lambda: IMAGE.entrypoint(["a", "b"]), "entrypoint a b"),
        (lambda: IMAGE.shell(["bash"]), "shell bash"),
        (lambda: IMAGE.cmd(["a"]), "cmd a"),
        (
            lambda: IMAGE.pip_install_private_repos("h/o/r", git_user="me"),
            "pip_install_private_repos git+https://h/o/r",
        ),
        (lambda: IMAGE.add_local_file("a", "/b"), f"add_local_file {HERE}/a /b"),
        (lambda: IMAGE.add_local_dir("a", "/b"), f"add_local_dir {HERE}/a /b"),
        (lambda: IMAGE.add_local_python_source("a", "b"), "add_local_python_source a b"),
        (lambda: IMAGE.copy_local_file("a"), f"copy_local_file {HERE}/a ./a"),
        (lambda: IMAGE.copy_local_dir("a"), f"copy_local_dir {HERE}/a ."),
    ],
)
def test_every_builder_method_is_recorded(build: Callable[[], motet.Image], step: str) -> None:
    assert str(build().spec.steps[-1]) == step


def test_what_is_added_of_this_machine_is_known_by_absolute_paths_and_by_what_is_left_out(tmp_path: Path) -> None:
    image = (
        IMAGE.add_local_file(tmp_path / "a.toml", "/root/")
        .add_local_dir(tmp_path, "conf", ignore=["*.bak"])
        .add_local_python_source("one", "two", ignore=["data/**"])
    )
    assert image.spec.files == (
        LocalFiles(kind="file", source=f"{tmp_path}/a.toml", target="/root/a.toml"),
        LocalFiles(kind="directory", source=str(tmp_path), target="conf", ignore=("*.bak",)),
        LocalFiles(kind="module", source="one", ignore=("data/**",)),
        LocalFiles(kind="module", source="two", ignore=("data/**",)),
    )


def test_containers_begin_where_the_steps_lead_one_after_the_other() -> None:
    assert IMAGE.spec.workdir == ""
    assert IMAGE.workdir("/srv").workdir("shop/").spec.workdir == "/srv/shop"
    assert IMAGE.workdir("/srv").workdir("/other").spec.workdir == "/other"


def items() -> Iterator[int]:
    yield 1


@pytest.mark.parametrize(
    "build",
    [
        lambda: IMAGE.add_local_dir("a", "/b", ignore="*.txt"),
        lambda: IMAGE.pip_install(5),  # type: ignore[arg-type]
        lambda: IMAGE.pip_install(["a", None]),  # type: ignore[list-item]
        lambda: IMAGE.apt_install({"a": 1}),  # type: ignore[arg-type]
        lambda: IMAGE.run_function("prepare"),  # type: ignore[arg-type]
        lambda: IMAGE.run_function(items),
        lambda: IMAGE.env({"A": 1}),  # type: ignore[dict-item]
        lambda: motet.Image.debian_slim(3.12),  # type: ignore[arg-type]
    ],
)
def test_wrong_arguments_are_refused(build: Callable[[], Any]) -> None:
    with pytest.raises(InvalidError):
        build()


def test_requirement_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("pandas\n-r requirements.txt\n")
    (tmp_path / "requirements.txt").write_text(
        "# comment\n--index-url https://example.org\nnumpy>=2  # why\n-r more.txt\n"
        "scipy==1.0 \\\n  --hash=sha256:abc\n-e ./local\n\nrich @ https://example.org/rich.whl\n"
    )
    image = IMAGE.pip_install_from_requirements(tmp_path / "requirements.txt")
    assert image.spec.requirements == (
        "numpy>=2",
        "pandas",
        "scipy==1.0",
        "./local",
        "rich @ https://example.org/rich.whl",
    )
    assert IMAGE.uv_pip_install("a", requirements=[str(tmp_path / "more.txt")]).spec.requirements[:2] == ("a", "pandas")


def test_projects_are_read(tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text('[project]\nname="p"\ndependencies=["numpy"]\n[project.optional-dependencies]\ngpu=["torch"]\n')
    assert IMAGE.pip_install_from_pyproject(file).spec.requirements == ("numpy",)
    assert IMAGE.pip_install_from_pyproject(file, ["gpu"]).spec.requirements == ("numpy", "torch")
    assert IMAGE.uv_sync(tmp_path, extras=["gpu"]).spec.requirements == ("numpy", "torch")
    project = IMAGE.uv_sync(tmp_path, extras=["gpu"]).spec.of_kind(LockedProject)[0]
    assert (project.pyproject, project.lock, project.extras) == (file.read_text(), "", ("gpu",))
    with pytest.raises(InvalidError, match="has no optional dependencies 'cpu'; it has: gpu"):
        IMAGE.pip_install_from_pyproject(file, ["cpu"])


POETRY = """
[tool.poetry.dependencies]
python = "^3.11"
numpy = "^1.26"
pandas = {version = "~2.1", extras = ["excel"], markers = "sys_platform == 'linux'"}
tomli = {version = "*", python = "<3.11"}
mine = {git = "https://example.org/mine.git", tag = "v1"}
extra = {version = "1", optional = true}
[tool.poetry.group.dev.dependencies]
pytest = "8.1.0"
[tool.poetry.group.docs]
optional = true
[tool.poetry.group.docs.dependencies]
mkdocs = "^0.3"
"""
LOCK = """
[[package]]
name = "numpy"
version = "1.26.4"
[[package]]
name = "mine"
version = "0.1"
source = {type = "git", url = "https://example.org/mine.git"}
[[package]]
name = "six"
version = "1.15"
[[package]]
name = "six"
version = "1.16"
"""
POETRY_MAIN = (
    "numpy>=1.26,<2",
    "pandas[excel]>=2.1,<2.2 ; (sys_platform == 'linux')",
    "tomli ; python_version < '3.11'",
    "mine @ git+https://example.org/mine.git@v1",
)


def test_poetry_projects_are_read(tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text(POETRY)
    assert IMAGE.poetry_install_from_file(file).spec.requirements == (*POETRY_MAIN, "pytest==8.1.0")
    assert IMAGE.poetry_install_from_file(file, without=["dev"]).spec.requirements == POETRY_MAIN
    assert IMAGE.poetry_install_from_file(file, only=["docs"]).spec.requirements == ("mkdocs>=0.3,<0.4",)
    with pytest.raises(InvalidError, match="has no group 'test'; it has: main, dev, docs"):
        IMAGE.poetry_install_from_file(file, with_=["test"])
    (tmp_path / "poetry.lock").write_text(LOCK)
    (locked,) = IMAGE.poetry_install_from_file(file).spec.of_kind(LockedProject)
    assert (locked.constraints, locked.lock) == (("numpy==1.26.4",), LOCK)
    assert IMAGE.poetry_install_from_file(file, ignore_lockfile=True).spec.of_kind(LockedProject)[0].constraints == ()


def test_options_of_a_requirements_file_are_kept(tmp_path: Path) -> None:
    (tmp_path / "held.txt").write_text("scipy<2\n")
    file = tmp_path / "requirements.txt"
    file.write_text("--index-url https://example.org\n-c held.txt\nnumpy==1 \\\n    --hash=sha256:abc\n")
    (step,) = IMAGE.pip_install_from_requirements(file).spec.of_kind(PythonPackages)
    assert step.lines == ("--index-url https://example.org", "numpy==1 --hash=sha256:abc")
    assert (step.constraints, step.requirements) == (("scipy<2",), ("numpy==1",))


def test_a_dockerfile_is_read(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM debian\n")
    (step,) = motet.Image.from_dockerfile(tmp_path / "Dockerfile", context_dir=tmp_path).spec.of_kind(Dockerfile)
    assert (step.text, step.context) == ("FROM debian\n", str(tmp_path))


def test_secrets_of_a_build_are_not_shown() -> None:
    image = IMAGE.pip_install("a", secrets=[motet.Secret.from_dict({"TOKEN": "hush"})], env={"B": "hush"})
    assert image.spec.steps[-1].secrets == {"TOKEN": "hush"}
    assert "hush" not in repr(image.spec) + repr(image) + repr(image.spec.steps)


@pytest.mark.parametrize(
    ("build", "told"),
    [
        (
            lambda: IMAGE.pip_install("a", indx_url="b"),
            "pip_install has no option 'indx_url'; did you mean 'index_url'?",
        ),
        (
            lambda: IMAGE.apt_install("a", pre=True),
            "apt_install has no option 'pre'; it has: force_build, env, secrets, gpu",
        ),
        (lambda: motet.Image.debian_slim(python="3.12"), "debian_slim has no option 'python'"),
    ],
)
def test_options_that_do_not_exist_are_refused(build: Callable[[], Any], told: str) -> None:
    with pytest.raises(InvalidError, match=re.escape(told)):
        build()


@pytest.mark.parametrize(
    ("build", "told"),
    [
        (lambda: motet.Image.micromamba("3.11"), "needs conda"),
        (lambda: IMAGE.micromamba_install("a", channels=["b"]), "needs conda"),
        (lambda: IMAGE.run_commands("a", volumes={"/a": 1}), "cannot have volumes"),
    ],
)
def test_what_there_is_not_is_refused(build: Callable[[], Any], told: str) -> None:
    with pytest.raises(motet.exception.UnimplementedError, match=told):
        build()


def add_numpy(image: motet.Image, *more: str) -> motet.Image:
    return image.pip_install("numpy", *more)


def test_steps_that_images_have_in_common_are_piped() -> None:
    assert IMAGE.pipe(add_numpy, "scipy").spec.requirements == ("numpy", "scipy")


def test_code_and_arguments_of_a_preparing_function_are_a_part_of_the_image() -> None:
    (step,) = IMAGE.run_function(prepare, args=(1,), timeout=5).spec.of_kind(PreparingFunction)
    assert (step.module, step.qualname, step.file) == (__name__, "prepare", __file__)
    assert (step.timeout, pickle.loads(step.arguments)) == (5.0, ((1,), {}))
    assert step.source != IMAGE.run_function(add_numpy).spec.of_kind(PreparingFunction)[0].source


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match=r"nowhere\.txt cannot be read: No such file"):
        IMAGE.pip_install_from_requirements(tmp_path / "nowhere.txt")


def test_imports_swallows_import_errors_only() -> None:
    with IMAGE.imports():
        import module_that_is_nowhere  # type: ignore[import-not-found]  # noqa: F401
    with pytest.raises(ZeroDivisionError), IMAGE.imports():
        _ = 1 / 0
