"""What travels with a deployment, and where it lies then."""

from __future__ import annotations

import os
import py_compile
import sys
from pathlib import Path

import pytest

from motet.context import sources
from motet.errors import InvalidError
from motet.model import bundle as limits
from motet.model.function import ImportedDefinition, SerializedDefinition
from motet.model.image import AddedFiles, Dockerfile, DockerfileLines
from motet.model.local_files import LocalFiles

from .project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def added(project: Project, kind: str, source: str, target: str, *ignore: str) -> LocalFiles:
    source = source if kind == "module" else str(project.directory / source)
    return LocalFiles(kind=kind, source=source, target=target, ignore=ignore)  # type: ignore[arg-type]


# --- modules --------------------------------------------------------------------------------------------------------------


def test_a_module_travels_by_itself_and_its_neighbours_do_not(project: Project) -> None:
    project.write("project/prices.csv", "project/other.py")
    project.imports("shop", "project/shop.py")
    assert project.travels() == {"work/project/shop.py": "project/shop.py"}


def test_a_package_travels_whole_with_its_data(project: Project) -> None:
    project.write(
        "project/shop/later.py",
        "project/shop/data/prices.csv",
        "project/shop/data/deep/er.txt",
        "project/shop/native.so",
    )
    project.write(
        "project/shop/.env",
        "project/shop/.git/config",
        "project/shop/__pycache__/x.pyc",
        "project/shop/web/node_modules/a.js",
    )
    project.write("project/shop/venv/pyvenv.cfg", "project/shop/venv/lib/a.py", "project/shop/.venv/b.py")
    project.imports("shop", "project/shop/__init__.py")
    project.imports("shop.app", "project/shop/app.py")
    assert sorted(project.travels()) == [
        "work/project/shop/__init__.py",
        "work/project/shop/app.py",
        "work/project/shop/data/deep/er.txt",
        "work/project/shop/data/prices.csv",
        "work/project/shop/later.py",
        "work/project/shop/native.so",
    ]


def test_of_a_directory_without_init_only_python_files_travel(project: Project) -> None:
    project.write("project/scripts/large.bin", "project/scripts/util.py", "project/scripts/other/more.py")
    project.imports("scripts", portions=["project/scripts"])
    project.imports("scripts.run", "project/scripts/run.py")
    assert sorted(project.travels()) == ["work/project/scripts/run.py", "work/project/scripts/util.py"]


def test_what_is_installed_or_of_python_stays(project: Project) -> None:
    for name in ("os", "json", "msgspec", "motet", "motet.errors"):
        project.modules[name] = sys.modules[name]
    project.imports("installed", "project/.venv/lib/python3.11/site-packages/installed/__init__.py")
    project.imports("debian", "usr/lib/python3/dist-packages/debian.py")
    project.sys_path += [Path(os.__file__).parent, project.work / ".venv/lib/python3.11/site-packages"]
    spec, bundle = project.bundled()
    assert bundle.manifest.files == ()
    assert spec.sys_path == ("work/project", *map(str, project.sys_path[1:]))


def test_search_paths_lead_into_the_bundle_and_what_nothing_was_imported_from_goes(project: Project) -> None:
    project.sys_path = [project.work / "src", project.work, project.directory / "unused", project.directory / "shared"]
    project.imports("shop", "project/src/shop.py")
    project.imports("tools", "shared/tools/__init__.py")
    spec, _ = project.bundled()
    assert (spec.sys_path, spec.project_dir) == (("work/project/src", "work/project", "lib/1/shared"), "work/project")
    assert sorted(project.travels()) == ["lib/1/shared/tools/__init__.py", "work/project/src/shop.py"]


def test_what_lies_in_a_directory_above_keeps_its_place(project: Project) -> None:
    """The program runs in a part of the directory that modules are imported from."""
    project.sys_path = [project.work, project.directory]
    project.imports("shop", "shop.py")
    project.imports("project", portions=["project"])
    project.imports("project.run", "project/run.py")
    spec, _ = project.bundled()
    above = f"work/{project.directory.name}"
    assert sorted(project.travels()) == [f"{above}/project/run.py", f"{above}/shop.py"]
    assert (spec.project_dir, spec.sys_path) == (f"{above}/project", (f"{above}/project", above))


def test_a_directory_that_is_reached_by_a_link_is_the_one_that_it_leads_to(project: Project) -> None:
    project.write("project/shop.py")
    (project.directory / "link").symlink_to(project.directory)
    (project.directory / "other").symlink_to(project.work)
    project.sys_path = [project.directory / "link/project"]
    project.imports("shop", "link/project/shop.py")
    spec, _ = project.bundled()
    assert (spec.project_dir, spec.sys_path) == ("work/project", ("work/project",))
    assert sorted(project.travels()) == ["work/project/shop.py"]
    # By another name it is another one: names are kept.
    project.sys_path = [project.directory / "other"]
    project.imports("shop", "other/shop.py")
    spec, _ = project.bundled()
    assert (spec.project_dir, spec.sys_path) == ("work", ("lib/1/other",))


def test_an_editable_install_travels_and_is_found(project: Project) -> None:
    """One that a finder leads to: its directory is not on the search path."""
    project.imports("lib", "elsewhere/src/lib/__init__.py")
    project.write("elsewhere/src/lib/data.txt")
    spec, _ = project.bundled()
    assert sorted(project.travels()) == ["lib/1/src/lib/__init__.py", "lib/1/src/lib/data.txt"]
    assert spec.sys_path == ("work/project", "lib/1/src")


def test_an_editable_install_under_another_name_is_found_by_the_name_it_has(project: Project) -> None:
    project.imports("lib", "elsewhere/python/__init__.py")
    project.imports("lib.part", "elsewhere/python/part.py")
    project.imports("one", "elsewhere/another.py")
    spec, _ = project.bundled()
    found = project.travels()
    assert {path.partition("/")[2].partition("/")[2] for path in found} == {"lib/__init__.py", "lib/part.py", "one.py"}
    assert {"/".join(path.split("/")[:2]) for path in found} == {*spec.sys_path} - {"work/project"}


def test_what_an_editable_install_has_built_elsewhere_lies_in_its_package(project: Project) -> None:
    project.imports("lib", "elsewhere/src/lib/__init__.py")
    project.imports("lib.core", "build/cp311/lib/core.so")
    assert sorted(project.travels()) == ["lib/1/src/lib/__init__.py", "lib/1/src/lib/core.so"]


def test_a_module_that_is_in_no_file_is_refused_by_name(project: Project) -> None:
    project.imports("gone", "project/gone.py")
    (project.work / "gone.py").unlink()
    with pytest.raises(
        InvalidError, match=r"module gone cannot travel .*project/gone\.py, which is no file .*pip install \."
    ):
        project.bundled()


def test_an_archive_travels_as_it_is(project: Project) -> None:
    project.archive("project/parts.zip", "one", "two")
    project.archive("more.zip", "three")
    project.sys_path += [project.work / "parts.zip", project.directory / "more.zip"]
    spec, bundle = project.bundled()
    assert [file.path for file in bundle.manifest.files] == ["lib/1/more.zip", "work/project/parts.zip"]
    assert spec.sys_path == ("work/project", "work/project/parts.zip", "lib/1/more.zip")


def test_the_program_travels_and_definitions_lead_to_their_files(project: Project) -> None:
    project.write("project/main.py", "plugins/odd-name.py")
    project.main = ImportedDefinition(module="__main__", qualname="", file=str(project.work / "main.py"), is_main=True)
    project.definition = ImportedDefinition(
        module="odd", qualname="f", file=str(project.directory / "plugins/odd-name.py")
    )
    spec, _ = project.bundled()
    assert spec.main is not None
    assert (spec.main.file, spec.main.is_main) == ("work/project/main.py", True)
    assert isinstance(definition := spec.functions[0].definition, ImportedDefinition)
    assert definition.file == "lib/1/odd-name.py"
    assert sorted(project.travels()) == ["lib/1/odd-name.py", "work/project/main.py"]


def test_code_by_value_is_left_as_it_is(project: Project) -> None:
    project.definition = SerializedDefinition(pickled=b"x", qualname="f")  # type: ignore[assignment]
    assert project.bundled()[0].functions[0].definition == project.definition


def test_containers_processes_search_where_the_program_s_do(project: Project) -> None:
    project.imports("shop", "project/src/shop.py")
    project.env["PYTHONPATH"] = os.pathsep.join(
        ["src", str(project.directory / "unused"), os.path.dirname(os.__file__)]
    )
    (function,) = project.bundled()[0].functions
    assert function.env == function.image.env
    assert function.env == {"PYTHONPATH": os.pathsep.join(["work/project/src", os.path.dirname(os.__file__)])}


def test_modules_under_several_names_and_things_that_are_no_modules_do_no_harm(project: Project) -> None:
    shop = project.imports("shop", "project/shop.py")
    project.modules |= {"alias": shop, "none": None, "thing": object(), "broken": type("M", (), {"__file__": 5})()}
    assert sorted(project.travels()) == ["work/project/shop.py"]


def test_what_was_loaded_travels_and_not_what_stands_there_now(project: Project, tmp_path: Path) -> None:
    project.imports("shop", "project/shop.py")
    copies = sources.Sources(tmp_path / "copies")
    copies.take_file(project.work / "shop.py")
    project.write("project/shop.py", text="changed since")
    sources.use(copies)
    try:
        assert project.travels() == {"work/project/shop.py": "project/shop.py"}
    finally:
        sources.use(None)


def test_bytecode_that_is_up_to_date_travels_and_no_other(project: Project) -> None:
    project.write("project/shop/new.py", "project/shop/old.py", "project/shop/older.py", text="x = 1\n")
    project.imports("shop", "project/shop/__init__.py")
    second = 1_700_000_000 * 10**9
    for name in ("new", "old", "older"):
        file = project.work / f"shop/{name}.py"
        os.utime(file, ns=(second, second))
        os.utime(py_compile.compile(str(file), doraise=True), ns=(second, second + 10))
    project.write("project/shop/older.py", text="x = 1000\n")
    project.write("project/shop/old.py", text="x = 2\n")  # in the same second, with as many bytes
    os.utime(project.work / "shop/old.py", ns=(second, second + 20))
    _, bundle = project.bundled()
    found = {file.path: file.piece for file in bundle.manifest.files}
    cached = [path for path in found if "__pycache__" in path]
    assert cached == [f"work/project/shop/__pycache__/new.{sys.implementation.cache_tag}.pyc"]
    travelled = project.directory / cached[0]
    travelled.parent.mkdir(parents=True, exist_ok=True)
    travelled.write_bytes(bundle.pieces[found[cached[0]]].again())
    # Valid for this source, whenever and wherever that was written.
    os.utime(project.work / "shop/new.py", (0, 0))
    assert py_compile.compile(
        str(project.work / "shop/new.py"), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
    )
    written = (project.work / "shop/__pycache__" / travelled.name).read_bytes()
    assert travelled.read_bytes()[:16] == written[:16]


# --- files that images add -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "place"),
    [
        ("config.toml", "work/project/config.toml"),
        ("./conf/config.toml", "work/project/conf/config.toml"),
        ("/root/config.toml", "work/project/config.toml"),
        ("/etc/shop/config.toml", "work/project/etc/shop/config.toml"),
    ],
)
def test_a_file_lies_below_the_working_directory(project: Project, target: str, place: str) -> None:
    project.write("conf/settings.toml")
    project.files = [added(project, "file", "conf/settings.toml", target)]
    assert project.travels() == {place: "conf/settings.toml"}
    spec, bundle = project.bundled()
    assert spec.functions[0].image.files == (LocalFiles(kind="file", source=place, target=target),)
    assert [line.partition("find it at ")[2] for line in bundle.notes] == (
        [f"{place.removeprefix('work/project/')!r} in their working directory, not at {target}"]
        if target[0] == "/"
        else []
    )


def test_a_directory_travels_with_hidden_files_and_without_what_is_ignored(project: Project) -> None:
    project.write("data/a.csv", "data/.keep", "data/raw/b.csv", "data/raw/deep/c.bin", "data/c.bin", "data/.git/HEAD")
    project.files = [added(project, "directory", "data", "/data", "raw/*.csv", "**/*.bin", "!c.bin")]
    assert sorted(project.travels()) == [
        "work/project/data/.keep",
        "work/project/data/a.csv",
        "work/project/data/c.bin",
    ]


def test_a_path_that_leads_out_of_the_working_directory_is_refused(project: Project) -> None:
    project.write("a")
    for target in ("../a", "x/../../a", ".."):
        project.files = [added(project, "file", "a", target)]
        with pytest.raises(InvalidError, match=r"add_local_file\(.*leads out of the containers' working directory"):
            project.bundled()


@pytest.mark.parametrize(("kind", "what"), [("file", "add_local_file"), ("directory", "add_local_dir")])
def test_what_is_not_there_is_named(project: Project, kind: str, what: str) -> None:
    project.files = [added(project, kind, "nowhere", "/a")]
    with pytest.raises(InvalidError, match=rf"{what}\(.*nowhere', '/a'\): there is no {kind}"):
        project.bundled()
    project.files = [added(project, "module", "no_such_module", "")]
    with pytest.raises(
        InvalidError, match=r"add_local_python_source\('no_such_module'\): there is no module of this name"
    ):
        project.bundled()


def test_two_files_at_one_place_are_refused_unless_they_are_the_same(project: Project) -> None:
    project.write("a", "b")
    project.write("c", text="a")
    project.files = [added(project, "file", "a", "x"), added(project, "file", "c", "x")]
    assert project.travels() == {"work/project/x": "a"}
    project.files[1] = added(project, "file", "b", "x")
    with pytest.raises(InvalidError, match=r"/a and .*/b would both be at 'work/project/x' in containers"):
        project.bundled()


def test_a_module_is_added_by_name(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write(
        "project/late_one.py", "project/late_two/__init__.py", "project/late_two/a.txt", "project/late_two/b.bin"
    )
    monkeypatch.syspath_prepend(str(project.work))
    project.files = [added(project, "module", "late_one", ""), added(project, "module", "late_two", "", "*.bin")]
    assert sorted(project.travels()) == [
        "work/project/late_one.py",
        "work/project/late_two/__init__.py",
        "work/project/late_two/a.txt",
    ]


def test_what_is_said_of_a_package_goes_for_what_is_imported_of_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("project/late_three/weights.bin")
    project.imports("late_three", "project/late_three/__init__.py")
    monkeypatch.syspath_prepend(str(project.work))
    project.files = [added(project, "module", "late_three", "", "*.bin")]
    assert sorted(project.travels()) == ["work/project/late_three/__init__.py"]


# --- what cannot be sent -----------------------------------------------------------------------------------------------------


def test_links_are_followed_and_what_is_no_file_is_left_out_and_told(project: Project) -> None:
    project.imports("shop", "project/shop/__init__.py")
    project.write("outside/a.txt", "outside/dir/b.txt")
    shop = project.work / "shop"
    (shop / "file.txt").symlink_to(project.directory / "outside/a.txt")
    (shop / "dir").symlink_to(project.directory / "outside/dir")
    (shop / "dead").symlink_to("nowhere")
    (shop / "circle").symlink_to(shop)
    (project.directory / "outside/dir/back").symlink_to(shop)
    os.mkfifo(shop / "pipe")
    Path(os.fsdecode(bytes(shop) + b"/caf\xe9")).write_text("x")
    assert sorted(project.travels()) == [
        "work/project/shop/__init__.py",
        "work/project/shop/dir/b.txt",
        "work/project/shop/file.txt",
    ]
    _, bundle = project.bundled()
    assert sorted(line.removeprefix(f"left out: {shop}/") for line in bundle.notes) == [
        "caf\\udce9 (its name is not UTF-8)",
        "circle (a link to a directory that it is in)",
        "dead (a link to nothing)",
        "dir/back (a link to a directory that it is in)",
        "pipe (no regular file)",
    ]


def test_what_cannot_be_read_is_refused_by_name(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.imports("shop", "project/shop/__init__.py")
    project.write("project/shop/secret.txt")
    real = os.open

    def refusing(path: str, *args: int) -> int:
        if str(path).endswith("secret.txt"):
            raise PermissionError(13, "Permission denied", path)
        return real(path, *args)

    monkeypatch.setattr(os, "open", refusing)  # root may read everything
    with pytest.raises(
        InvalidError, match=r"secret\.txt is to travel .* cannot be read: Permission denied\. Leave it out"
    ):
        project.bundled()


def test_what_is_too_large_is_refused_by_name_before_all_is_read(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.imports("shop", "project/shop/__init__.py")
    with open(project.work / "shop/weights.bin", "wb") as file:
        file.truncate(limits.MAX_FILE_BYTES + 1)
    with pytest.raises(InvalidError, match=r"weights\.bin is 100\.0 MiB, and a file .* may have 100 MiB: leave it out"):
        project.bundled()
    (project.work / "shop/weights.bin").write_bytes(b"x" * 1000)
    monkeypatch.setattr("motet.bundles.collection.MAX_BUNDLE_BYTES", 999)
    with pytest.raises(
        InvalidError, match=r"has 2 files and 0 MiB so far.*The largest are .*weights\.bin \(0\.0 MiB\)"
    ):
        project.bundled()
    monkeypatch.setattr("motet.bundles.walk.MAX_FILES", 1)
    with pytest.raises(InvalidError, match=r"project/shop has more than 1 files.*Leave out what is not needed"):
        project.bundled()


def test_a_file_that_changes_before_it_is_sent_is_told(project: Project) -> None:
    project.imports("shop", "project/shop.py")
    _, bundle = project.bundled()
    project.write("project/shop.py", text="changed")
    with pytest.raises(InvalidError, match=r"project/shop\.py was changed while it was being deployed: deploy again"):
        next(iter(bundle.pieces.values())).again()


def test_the_same_source_is_the_same_bundle_wherever_it_lies(project: Project, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    other = Project(tmp_path / "elsewhere")
    for each in (project, other):
        each.write("project/shop.py", "shared/tools.py", text="x = 1\n")
        each.sys_path.append(each.directory / "shared")
        each.imports("tools", "shared/tools.py")
        each.imports("shop", "project/shop.py")
    one, another = project.bundled(), other.bundled()
    assert one[1].manifest.digest == another[1].manifest.digest
    assert one[0] == another[0]


def test_what_a_dockerfile_builds_from_travels_with_it(project: Project) -> None:
    project.write("context/a.txt", "context/b.tmp", "named.txt")
    context, named = str(project.directory / "context"), str(project.directory / "named.txt")
    project.steps = (
        Dockerfile(path="Dockerfile", text="FROM x", context=context, ignore=("*.tmp",)),
        DockerfileLines(lines=("COPY n /n",), context_files={"n": named}),
        AddedFiles(files=(added(project, "file", "named.txt", "/data/n"),), is_copied=True, way="copy_local_file"),
    )
    project.files = [added(project, "file", "named.txt", "/data/n")]
    spec, _ = project.bundled()
    whole, lines, files = spec.functions[0].image.steps
    assert isinstance(whole, Dockerfile)
    assert isinstance(lines, DockerfileLines)
    assert isinstance(files, AddedFiles)
    assert set(project.travels()) == {
        f"{whole.context}/a.txt",
        lines.context_files["n"],
        files.files[0].source,
    }
    assert not any(each.startswith("/") for each in project.travels())
    project.steps = (Dockerfile(path="Dockerfile", text="FROM x", context="/no/such/place"),)
    with pytest.raises(InvalidError, match=r"Image.from_dockerfile: there is no file or directory /no/such/place"):
        project.bundled()
