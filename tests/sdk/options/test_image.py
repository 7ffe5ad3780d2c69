from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import motet
from motet.exception import InvalidError
from motet.model.function import ImageSpec, LocalFiles
from motet.sdk.options.requirements import finding_without_packaging, missing_files, missing_packages

MSGSPEC = metadata.version("msgspec")


def use(image: motet.Image) -> ImageSpec:
    return image.spec


def test_steps_are_recorded_in_order() -> None:
    image = (
        motet.Image.debian_slim("3.12")
        .apt_install("ffmpeg", ["git"])
        .pip_install("numpy", ["pandas>=2", ["scipy"]], pre=True)
        .run_commands("echo hello")
        .env({"A": "1"})
        .workdir("/app")
    )
    assert use(image) == ImageSpec(
        requirements=("numpy", "pandas>=2", "scipy"),
        system_packages=("ffmpeg", "git"),
        env={"A": "1"},
        steps=(
            "debian_slim 3.12",
            "apt_install ffmpeg git",
            "pip_install numpy pandas>=2 scipy",
            "run_commands echo hello",
            "env A",
            "workdir /app",
        ),
    )


def test_an_image_never_changes() -> None:
    base = motet.Image.debian_slim()
    base.pip_install("numpy").env({"A": "1"})
    assert base.spec == ImageSpec(steps=("debian_slim",))


def prepare() -> None: ...


IMAGE = motet.Image.debian_slim()


@pytest.mark.parametrize(
    ("build", "step"),
    [
        (lambda: motet.Image.from_registry("python:3.12", add_python="3.12"), "from_registry python:3.12 3.12"),
        (lambda: motet.Image.from_aws_ecr("tag", secret=None), "from_aws_ecr tag"),
        (lambda: motet.Image.from_gcp_artifact_registry("tag"), "from_gcp_artifact_registry tag"),
        (lambda: motet.Image.from_dockerfile(Path("Dockerfile")), "from_dockerfile Dockerfile"),
        (lambda: motet.Image.from_name("mine"), "from_name mine"),
        (motet.Image.from_scratch, "from_scratch"),
        (lambda: motet.Image.micromamba("3.11"), "micromamba 3.11"),
        (lambda: IMAGE.micromamba_install("a", channels=["b"]), "micromamba_install a"),
        (lambda: IMAGE.uv_pip_install("a"), "uv_pip_install a"),
        (lambda: IMAGE.poetry_install_from_file("pyproject.toml"), "poetry_install_from_file pyproject.toml"),
        (lambda: IMAGE.run_function(prepare, gpu="any"), "run_function prepare"),
        (lambda: IMAGE.dockerfile_commands("RUN true", ["RUN false"]), "dockerfile_commands RUN true RUN false"),
        (lambda: IMAGE.entrypoint(["a", "b"]), "entrypoint a b"),
        (lambda: IMAGE.shell(["bash"]), "shell bash"),
        (lambda: IMAGE.cmd(["a"]), "cmd a"),
        (lambda: IMAGE.add_local_file("a", "/b"), "add_local_file a /b"),
        (lambda: IMAGE.add_local_dir("a", "/b"), "add_local_dir a /b"),
        (lambda: IMAGE.add_local_python_source("a", "b"), "add_local_python_source a b"),
        (lambda: IMAGE.copy_local_file("a"), "copy_local_file a ./"),
        (lambda: IMAGE.copy_local_dir("a"), "copy_local_dir a ."),
    ],
)
def test_every_builder_method_is_recorded(build: Callable[[], motet.Image], step: str) -> None:
    assert build().spec.steps[-1] == step


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
    assert missing_files(image.spec) == [
        f"/root/a.toml is not on this machine, {tmp_path}/a.toml is",
        f"conf is not on this machine, {tmp_path} is",
    ]


@pytest.mark.parametrize(
    "build",
    [
        lambda: IMAGE.add_local_dir("a", "/b", ignore="*.txt"),
        lambda: IMAGE.pip_install(5),  # type: ignore[arg-type]
        lambda: IMAGE.pip_install(["a", None]),  # type: ignore[list-item]
        lambda: IMAGE.apt_install({"a": 1}),  # type: ignore[arg-type]
        lambda: IMAGE.run_function("prepare"),  # type: ignore[arg-type]
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
    with pytest.raises(InvalidError, match="has no optional dependencies 'cpu'; it has: gpu"):
        IMAGE.pip_install_from_pyproject(file, ["cpu"])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match=r"nowhere\.txt cannot be read: No such file"):
        IMAGE.pip_install_from_requirements(tmp_path / "nowhere.txt")


def test_imports_swallows_import_errors_only() -> None:
    with IMAGE.imports():
        import module_that_is_nowhere  # type: ignore[import-not-found]  # noqa: F401
    with pytest.raises(ZeroDivisionError), IMAGE.imports():
        _ = 1 / 0


CHECKED_BY_BOTH = [
    ("msgspec", None),
    (f"msgspec=={MSGSPEC}", None),
    (f"msgspec=={MSGSPEC}.0", None),
    ("msgspec==0.*", None),
    ("msgspec[toml]>=0.1", None),
    ("Msgspec", None),
    ("msgspec==0.0.1", f"msgspec {MSGSPEC} is installed, msgspec==0.0.1 was asked for"),
    ("msgspec==99.*", f"msgspec {MSGSPEC} is installed, msgspec==99.* was asked for"),
    ("not-installed-anywhere", "not-installed-anywhere is not installed"),
    ("not-installed-anywhere>=2", "not-installed-anywhere is not installed"),
    ("git+https://example.org/a.git", "git+https://example.org/a.git cannot be checked"),
    ("a @ https://example.org/a.whl", "a @ https://example.org/a.whl cannot be checked"),
    ("./local", "./local cannot be checked"),
]


@pytest.mark.parametrize(("requirement", "finding"), CHECKED_BY_BOTH)
def test_what_is_missing_is_said(requirement: str, finding: str | None) -> None:
    expected = [] if finding is None else [finding]
    assert missing_packages(ImageSpec(requirements=(requirement, requirement))) == expected
    assert finding_without_packaging(requirement) == finding


@pytest.mark.parametrize(
    ("requirement", "finding"),
    [
        ("msgspec>=99", f"msgspec {MSGSPEC} is installed, msgspec>=99 was asked for"),
        ("not-installed-anywhere; python_version < '3'", None),
    ],
)
def test_with_packaging_ranges_and_markers_are_understood(requirement: str, finding: str | None) -> None:
    pytest.importorskip("packaging")
    assert missing_packages(ImageSpec(requirements=(requirement,))) == ([] if finding is None else [finding])
