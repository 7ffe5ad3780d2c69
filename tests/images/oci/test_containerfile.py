"""Which instructions an image is built by: equal images have equal ones, and a later step changes no earlier line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motet.errors import InvalidError, UnimplementedError
from motet.images.oci.containerfile import Surroundings, registry_of, stages_of
from motet.images.oci.stages import Copied, RuntimeFiles, Stage, UvProgram, WrittenText
from motet.model.image import (
    AddedFiles,
    BuildShell,
    DebianSlim,
    DefaultCommand,
    Dockerfile,
    DockerfileLines,
    Entrypoint,
    ImageSpec,
    LockedProject,
    NamedImage,
    PreparingFunction,
    PythonPackages,
    RegistryImage,
    ScratchImage,
    ShellCommands,
    Step,
    SystemPackages,
    Variables,
    WorkingDirectory,
)
from motet.model.local_files import LocalFiles

GOLDEN = Path(__file__).with_name("golden.txt")
AROUND = Surroundings(
    base="docker.io/library/python:{python}-slim-bookworm",
    python="3.11",
    repository="localhost/motet/image",
    located=lambda files: Copied(files.source, files.ignore),
    digest=lambda copied: f"digest-of{copied.source.replace('/', '-')}",
)


def stages(*steps: Step) -> tuple[Stage, ...]:
    return stages_of(ImageSpec(steps=steps), AROUND)


def lines(*steps: Step) -> list[str]:
    """The instructions of an image of one stage, without the first."""
    [stage] = stages(DebianSlim(), *steps)
    return stage.text.splitlines()[1:]


EVERY_KIND: dict[str, tuple[Step, ...]] = {
    "Debian with Python": (DebianSlim(python_version="3.12"),),
    "nothing said": (),
    "an image of a registry, with a Python added": (
        RegistryImage(reference="ubuntu:24.04", python_version="3.12", setup=("RUN apt-get update",)),
    ),
    "nothing": (ScratchImage(),),
    "a Dockerfile, and more": (
        Dockerfile(path="Dockerfile", text="FROM a AS b\nCOPY c d\n", context="/project", build_args={"E": "f"}),
        ShellCommands(commands=("true",)),
    ),
    "packages": (
        PythonPackages(lines=("numpy>=2", "pandas[excel]")),
        PythonPackages(lines=("a==1 --hash=sha256:0",), pre=True, index_url="https://i", extra_options="--no-deps"),
        PythonPackages(lines=("git+https://github.com/o/r",), git_user="me", secrets={"GITHUB_TOKEN": "t"}),
        PythonPackages(lines=("b",), uv_version="0.8.0", extra_index_url="https://e", find_links="/w"),
    ),
    "projects": (
        LockedProject(directory="/p", pyproject="[project]", lock="locked", extras=("x",), groups=("g",)),
        LockedProject(tool="poetry", directory="/p", lines=("c",), constraints=("c==3",)),
    ),
    "system packages": (SystemPackages(packages=("git", "ffmpeg")),),
    "commands": (
        ShellCommands(commands=("echo $HOME", "cat <<E\nx\nE", "make && \\\n  make install"), env={"A": "b c"}),
        ShellCommands(commands=("use-it",), secrets={"KEY": "never shown"}),
    ),
    "what containers find": (
        Variables(env={"A": 'a "quoted" $HOME \\'}),
        WorkingDirectory(path="/srv/$x"),
        Entrypoint(command=("/entry", "$1")),
        DefaultCommand(command=("serve",)),
        BuildShell(command=("/bin/bash", "-c")),
    ),
    "files": (
        AddedFiles(
            files=(LocalFiles(kind="directory", source="/here", target="/there dir"),),
            is_copied=True,
            way="add_local_dir",
        ),
        AddedFiles(files=(LocalFiles(kind="module", source="pack"),), is_copied=True, way="add_local_python_source"),
        AddedFiles(files=(LocalFiles(kind="file", source="/f", target="/g"),), way="add_local_file"),
    ),
    "lines, with files of their own": (
        DockerfileLines(lines=("RUN true",)),
        DockerfileLines(lines=("COPY a /b",), context_files={"a": "/local/a"}),
        ShellCommands(commands=("true",)),
    ),
    "a function": (
        PreparingFunction(module="pack.mod", qualname="f", file="/p/pack/mod.py", source="0" * 64, arguments=b"x"),
        ShellCommands(commands=("true",)),
    ),
    "one step anew": (
        ShellCommands(commands=("true",)),
        ShellCommands(commands=("date",), force=True),
        ShellCommands(commands=("false",)),
    ),
}


def test_every_kind_of_step_has_the_instructions_that_are_written_down() -> None:
    """To write them down again: delete the file, and look at what has changed."""
    found = "".join(
        f"=== {name}\n" + "--- then\n".join(stage.text for stage in stages(*steps))
        for name, steps in EVERY_KIND.items()
    )
    if not GOLDEN.exists():
        GOLDEN.write_text(found)
    assert found == GOLDEN.read_text()


def test_no_secret_is_in_an_instruction_or_changes_the_image() -> None:
    [stage] = stages(ShellCommands(commands=("use-it",), secrets={"KEY": "never shown"}))
    [other] = stages(ShellCommands(commands=("use-it",), secrets={"KEY": "another"}))
    assert "never shown" not in f"{stage.text}{stage.files}"
    assert "never shown" not in repr(stage)
    assert (stage.tag, stage.text) == (other.tag, other.text)
    assert stage.secrets == {"secrets-0": {"KEY": "never shown"}}


def test_secrets_of_later_stages_have_names_of_their_own() -> None:
    first = ShellCommands(commands=("a",), secrets={"A": "1"})
    later = ShellCommands(commands=("b",), secrets={"A": "2"}, force=True)
    assert [list(stage.secrets) for stage in stages(first, later)] == [["secrets-0"], ["secrets-1"]]


def test_a_stage_has_the_files_that_its_instructions_name() -> None:
    [stage] = stages(PythonPackages(lines=("a --hash=sha256:0",)), ShellCommands(commands=("a\nb",)))
    assert stage.files["uv"] == UvProgram()
    assert {file for file in stage.files.values() if isinstance(file, WrittenText)} == {
        WrittenText("a --hash=sha256:0\n"),
        WrittenText("a\nb"),
    }
    prepared = stages(PreparingFunction(module="m", qualname="f", file="/p/m.py", source="0" * 64))[-1]
    assert prepared.files == {"runtime": RuntimeFiles(), f"functions/{'0' * 16}/m.py": Copied("/p/m.py")}


def test_a_function_is_another_image_by_its_own_code_alone() -> None:
    def tag(source: str, digest: str) -> str:
        around = replace(AROUND, digest=lambda copied: digest)
        step = PreparingFunction(module="m", qualname="f", file="/p/m.py", source=source)
        return stages_of(ImageSpec(steps=(step,)), around)[-1].tag

    assert tag("0" * 64, "a") == tag("0" * 64, "b")
    assert tag("0" * 64, "a") != tag("1" * 64, "a")


def test_another_content_of_a_directory_is_another_image() -> None:
    def tag(digest: str) -> str:
        around = replace(AROUND, digest=lambda copied: digest)
        return stages_of(ImageSpec(steps=(DockerfileLines(lines=("COPY a b",), context="/c"),)), around)[-1].tag

    assert tag("a") != tag("b")


def test_an_image_taken_anew_is_built_from_there_alone() -> None:
    before, after = stages(ShellCommands(commands=("true",)), ShellCommands(commands=("date",), force=True))
    assert (before.anew, after.anew) == (False, True)
    assert after.text.startswith(f"FROM {before.tag}\n")


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (Variables(env={"A": "a\nb"}), "the variable A of an image has a line break"),
        (ShellCommands(commands=("x",), env={"B": "a\rb"}), "the variable B of an image has a line break"),
        (LockedProject(directory="/p"), "there is no pyproject.toml in /p"),
        (PreparingFunction(module="m", qualname="f.<locals>.g", file="/m.py"), "top level of a module"),
    ],
)
def test_what_cannot_be_built_is_refused_with_a_sentence(step: Step, said: str) -> None:
    with pytest.raises(InvalidError, match=said):
        stages(step)


def test_published_images_are_refused_with_what_to_do() -> None:
    with pytest.raises(UnimplementedError, match="build the image from its steps"):
        stages(DebianSlim(), NamedImage(name="x"))


@pytest.mark.parametrize(
    ("step", "registry", "username", "password"),
    [
        (
            RegistryImage(reference="r.io/a:1", secrets={"REGISTRY_USERNAME": "u", "REGISTRY_PASSWORD": "p"}),
            "r.io",
            "u",
            "p",
        ),
        (
            RegistryImage(
                reference="e-docker.pkg.dev/a", provider="gcp_artifact_registry", secrets={"SERVICE_ACCOUNT_JSON": "{}"}
            ),
            "e-docker.pkg.dev",
            "_json_key",
            "{}",
        ),
        (
            Dockerfile(path="D", text="FROM --platform=x g.io/b\n", registry_secrets={"REGISTRY_PASSWORD": "q"}),
            "g.io",
            "",
            "q",
        ),
    ],
)
def test_the_way_into_a_registry_is_found_in_its_secret(step: Any, registry: str, username: str, password: str) -> None:
    login = stages(step)[0].login
    assert login is not None
    assert (login.registry, login.username, login.password) == (registry, username, password)
    assert password not in repr(login) or password == "{}"


def test_a_secret_that_opens_no_registry_is_refused() -> None:
    with pytest.raises(InvalidError, match="REGISTRY_PASSWORD"):
        stages(RegistryImage(reference="r.io/a", secrets={"OTHER": "x"}))
    with pytest.raises(InvalidError, match="aws ecr get-login-password"):
        stages(RegistryImage(reference="1.ecr/a", provider="aws_ecr", secrets={"AWS_ACCESS_KEY_ID": "x"}))


def test_the_registry_of_an_image_is_the_host_in_its_name() -> None:
    assert [registry_of(each) for each in ("python:3", "a/b", "r.io/b", "localhost:5000/c")] == [
        "docker.io",
        "docker.io",
        "r.io",
        "localhost:5000",
    ]


# --- what holds of all images -----------------------------------------------------------------------------------------

_WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=12)
_STEPS: st.SearchStrategy[Step] = st.one_of(
    st.builds(ShellCommands, commands=st.tuples(_WORDS), force=st.booleans()),
    st.builds(SystemPackages, packages=st.tuples(st.sampled_from(["git", "curl"]))),
    st.builds(PythonPackages, lines=st.tuples(st.sampled_from(["a", "b --hash=sha256:0", "c>=1"]))),
    st.builds(Variables, env=st.dictionaries(st.sampled_from(["A", "B"]), _WORDS, max_size=2)),
    st.builds(WorkingDirectory, path=_WORDS),
    st.builds(DockerfileLines, lines=st.tuples(st.just("COPY a b")), context=st.sampled_from(["", "/c"])),
)


@given(st.lists(_STEPS, max_size=6))
def test_equal_images_have_equal_instructions(steps: list[Step]) -> None:
    assert stages(*steps) == stages(*steps)


@given(st.lists(_STEPS, max_size=5), _STEPS, _STEPS)
def test_a_later_step_changes_no_earlier_line(steps: list[Step], one: Step, other: Step) -> None:
    def of(*all_steps: Step) -> list[str]:
        # What a stage begins with follows from what is before it.
        return [
            line for stage in stages(*all_steps) for line in stage.text.splitlines() if not line.startswith("FROM ")
        ]

    before = of(*steps)
    assert of(*steps, one)[: len(before)] == before
    assert of(*steps, other)[: len(before)] == before
    whole = stages(*steps)[:-1]
    assert stages(*steps, one)[: len(whole)] == whole


@given(st.lists(_STEPS, max_size=5), _STEPS)
def test_every_instruction_is_one_line_or_continued(steps: list[Step], one: Step) -> None:
    for stage in stages(*steps, one):
        for instruction in stage.instructions:
            assert "\n" not in instruction.text
            assert instruction.text.split(" ")[0].isupper()
