from __future__ import annotations

import contextlib
import enum
import os
import pickle
import sys
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

import motet
from motet.exception import DeprecationError, InvalidError, UnimplementedError
from motet.model.function import ImportedDefinition
from motet.sdk.call.function import Function
from motet.sdk.run.app_run import AppRun
from motet.testing import world


def f() -> int:
    return 1


def g() -> int:
    return 2


class C:
    @motet.method()
    def get(self) -> int:
        return 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": 5}, "Invalid value for `name`: Must be string."),
        ({"image": "debian"}, "`image=` has to be a `motet.Image` object"),
        ({"secrets": ["a"]}, "`secrets=` has to be a list of `motet.Secret` objects"),
        ({"tags": {"a": 1}}, "`tags` has to be a dict[str, str], got {'a': 1}"),
    ],
)
def test_arguments_are_checked(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidError) as caught:
        motet.App(**arguments)
    assert str(caught.value) == message


def test_volumes_are_not_available() -> None:
    with pytest.raises(UnimplementedError, match="`volumes` is not available"):
        motet.App(volumes={"/a": object()})


def test_declared_things_are_registered_by_name() -> None:
    app = motet.App("mine")
    declared, named, cls = app.function()(f), app.function(name="second")(f), app.cls()(C)
    app.local_entrypoint()(g)
    assert app.registered_functions == {"f": declared, "second": named}
    assert app.registered_classes == {"C": cls}
    assert list(app.registered_entrypoints) == ["g"]
    assert app.registered_web_endpoints == []
    assert isinstance(declared, Function)
    assert declared.raw is f


@pytest.mark.parametrize("name", [5, ""])
def test_a_functions_name_is_a_string(name: Any) -> None:
    with pytest.raises(InvalidError, match="Invalid value for `name`: Must be string"):
        motet.App().function(name=name)(f)


def test_a_collision_of_names_is_warned_of_and_the_later_wins() -> None:
    app = motet.App()
    app.function(name="f1")(f)
    with pytest.warns(UserWarning, match="collision!") as caught:
        later = app.function(name="f1")(g)
    assert str(caught[0].message) == (
        f"function name 'f1' collision! Overriding existing function [{__name__}].f with new function [{__name__}].g"
    )
    assert caught[0].filename == __file__
    assert app.registered_functions == {"f1": later}


# --- the spec ---


def test_the_spec_has_all_functions_and_where_to_import_from() -> None:
    app = motet.App("mine")
    app.function()(f)
    app.cls()(C)
    spec = app.spec()
    assert spec.name == "mine"
    assert [(it.name, it.app_name, it.is_class) for it in spec.functions] == [("f", "mine", False), ("C", "mine", True)]
    assert spec.functions[0].definition == ImportedDefinition(module=__name__, qualname="f", file=__file__)
    assert spec.project_dir == os.getcwd()
    assert len(spec.sys_path) == len(sys.path)
    assert "" not in spec.sys_path


def test_containers_of_a_program_whose_directory_was_removed_begin_in_their_own(tmp_path: Path) -> None:
    app = motet.App("mine")
    app.function()(f)
    gone = tmp_path / "gone"
    gone.mkdir()
    with contextlib.chdir(gone):
        gone.rmdir()
        spec = app.spec()
    assert spec.project_dir == ""
    assert "" not in spec.sys_path


def test_an_unnamed_app_is_called_after_the_program() -> None:
    app = motet.App()
    assert app.name is None
    assert app.spec().name == app.description == (os.path.basename(sys.argv[0]) or "app")


# --- include ---


def test_included_functions_run_along() -> None:
    main, library, deeper = motet.App("main"), motet.App("library"), motet.App("deeper")
    mine = main.function()(f)
    assert main.include(library.include(deeper)) is main
    theirs = deeper.function()(g)  # declared after the include
    assert main.included == (library, deeper)
    assert main.registered_functions == {"f": mine, "g": theirs}
    assert {(it.app_name, it.name) for it in main.spec().functions} == {("main", "f"), ("deeper", "g")}


def test_apps_that_include_each_other_are_listed_once() -> None:
    one, other = motet.App("one"), motet.App("other")
    one.include(other).include(other)
    other.include(one)
    assert (one.included, other.included) == ((other,), (one,))


def test_functions_of_one_name_in_two_apps_are_warned_of_and_both_run() -> None:
    main, library = motet.App("main"), motet.App("library")
    mine, _theirs = main.function()(f), library.function()(f)
    with pytest.warns(UserWarning, match="function name 'f' collision!"):
        main.include(library)
    assert main.registered_functions == {"f": mine}
    assert {(it.app_name, it.name) for it in main.spec().functions} == {("main", "f"), ("library", "f")}


def test_unnamed_apps_keep_their_functions_of_one_name_apart_and_the_own_one_has_the_name() -> None:
    main, library = motet.App(), motet.App()
    main.function(timeout=1)(f)
    library.function(timeout=2)(f)
    with pytest.warns(UserWarning, match="collision"):
        main.include(library)
    assert [it.timeout for it in main.spec().functions] == [1.0, 2.0]
    assert main.registered_functions["f"].target.spec.timeout == 1.0


def test_only_apps_are_included() -> None:
    with pytest.raises(InvalidError, match=r"takes a motet\.App, not str"):
        motet.App().include("other")  # type: ignore[arg-type]


def test_tags_are_inherited_unless_said_otherwise() -> None:
    tagged = motet.App(tags={"team": "theirs", "tier": "1"})
    app = motet.App(tags={"team": "mine"})
    assert motet.App().include(tagged, inherit_tags=False).get_tags() == {}
    assert app.include(tagged).get_tags() == {"team": "mine", "tier": "1"}
    app.set_tags({"team": "new"})
    assert app.get_tags() == {"team": "new"}


# --- entrypoints ---


def test_an_entrypoint_is_called_here() -> None:
    entrypoint = motet.App().local_entrypoint(name="go")(g)
    assert (entrypoint.name, entrypoint.raw, entrypoint(), entrypoint.is_async) == ("go", g, 2, False)


def test_entrypoints_have_different_names() -> None:
    app = motet.App()
    app.local_entrypoint()(f)
    with pytest.raises(InvalidError) as caught:
        app.local_entrypoint(name="f")(g)
    assert str(caught.value) == "Duplicate local entrypoint name: f. Local entrypoint names must be unique."


# --- running ---


def test_run_gives_a_run_of_this_app() -> None:
    app = motet.App("mine")
    assert isinstance(app.run(), AppRun)
    assert (app.running, app.app_id) == (None, None)


def test_an_app_travels_as_a_name() -> None:
    app = motet.App("mine", secrets=[motet.Secret.from_dict({"A": "hidden"})])
    app.function()(f)
    data = cloudpickle.dumps(app)
    copy = pickle.loads(data)
    assert (copy.name, copy.registered_functions, copy.running) == ("mine", {}, None)
    assert b"hidden" not in data


def test_repr_shows_name_and_state() -> None:
    assert repr(motet.App("mine")) == "<motet.App mine: declared, 0 functions>"


# --- old names ---


def test_stub_is_an_app_and_names_it() -> None:
    with pytest.warns(DeprecationError, match=r"Use `motet\.App` instead") as caught:
        stub = motet.Stub("old")
    assert isinstance(stub, motet.App)
    assert stub.name == "old"
    assert caught[0].filename == __file__


def test_web_endpoint_names_its_successor() -> None:
    with pytest.warns(DeprecationError, match=r"renamed to `@motet\.fastapi_endpoint`"):
        decorate = motet.web_endpoint(method="POST")
    method = motet.App("old").function(serialized=True)(decorate(lambda: None)).method
    assert method.web is not None
    assert (method.web.kind, method.web.method) == ("fastapi", "POST")


def test_motet_exception_has_every_error() -> None:
    from motet import errors, exception

    assert set(exception.__all__) == errors.NAMES
    assert all(getattr(exception, name) is getattr(errors, name) for name in errors.NAMES)


# --- names ---


def _run_with_queue(partition: str) -> None:
    with world(), motet.App("queues").run():
        motet.Queue.from_name("q").len(partition=partition)


@pytest.mark.parametrize("name", ["caf\udce9", "two\nlines", "\x1b[2J", "nul\0", "x" * 1001])
def test_names_that_cannot_be_sent_or_shown_are_refused_where_they_are_given(name: str) -> None:
    for declare in (
        lambda: motet.App(name),
        lambda: motet.App(tags={name: "a"}),
        lambda: motet.App(tags={"a": name}),
        lambda: motet.App().function(name=name)(f),
        lambda: motet.App().local_entrypoint(name=name)(f),
        lambda: motet.App().run(name=name),
        lambda: motet.Queue.from_name(name),
        lambda: _run_with_queue(name),
    ):
        with pytest.raises(InvalidError, match=r"cannot be shown|may be 1000 characters"):
            declare()


def test_names_in_any_script_are_fine() -> None:
    app = motet.App("grüße 世界 🎉")
    assert app.function(name="été")(f).name == "été"


def test_a_search_path_that_is_not_utf8_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend("/caf\udce9")
    assert all(entry.isprintable() for entry in motet.App().spec().sys_path)


class Named(str, enum.Enum):  # noqa: UP042 - whose `str()` is not its value
    APP = "an app"
    FUNCTION = "a function"


def test_names_may_be_members_of_enums() -> None:
    app = motet.App(Named.APP, tags={Named.APP: Named.FUNCTION})
    app.function(name=Named.FUNCTION, env={Named.APP: Named.FUNCTION})(f)
    spec = app.spec()
    names = [
        spec.name,
        spec.functions[0].name,
        *spec.functions[0].env,
        *spec.functions[0].env.values(),
        *app.get_tags(),
    ]
    assert names == ["an app", "a function", "an app", "a function", "an app"]
    assert {type(name) for name in names} == {str}
