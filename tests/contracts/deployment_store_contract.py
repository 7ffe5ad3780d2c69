"""The contract of `motet.store.base.DeploymentStore`: inherit `DeploymentStoreContract` and give it an `opened` fixture."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from motet.model.deployment import DeploymentView
from motet.model.function import AppSpec
from motet.store.base import DeploymentStore, KeptDeployment, KeptNotice, KeptSchedule
from tests.server.stage import function

Opened = Callable[[], DeploymentStore]
"""Opens the same store as before, as the next server does; it is closed at the end of the test."""


def kept(version: int = 1, name: str = "shop", state: str = "failed") -> KeptDeployment:
    view = DeploymentView(
        name=name,
        version=version,
        app_id=f"ap-{name}{version}",
        state=state,  # type: ignore[arg-type]
        deployed_at=float(version),
        deployed_by="ci",
        tag="a tag",
    )
    spec = AppSpec(name=name, functions=(function(env={"KEY": "secret"}),), sys_path=("src",))
    return KeptDeployment(
        view=view, spec=spec, function_ids={"f": f"fu-{version}"}, owner="o", rights=("call", "deploy")
    )


class DeploymentStoreContract:
    def test_what_was_kept_is_there_for_the_next_server(self, opened: Opened) -> None:
        store = opened()
        for version in (1, 2, 3):
            store.add(kept(version))
        store.change(
            [replace(kept(3).view, state="live", share=100.0), replace(kept(2).view, state="replaced", ended_at=9.0)]
        )
        store.add(kept(1, "other"))
        store.close()
        again = opened()
        found = [(it.version, it.state) for it in again.history("shop")]
        assert found == [(3, "live"), (2, "replaced"), (1, "failed")]
        (serving,) = again.serving()
        assert serving.view.share == 100.0
        assert (serving.spec, serving.function_ids, serving.rights) == (
            kept(3).spec,
            {"f": "fu-3"},
            ("call", "deploy"),
        )
        assert (again.last("shop"), again.last("other"), again.last("none")) == (3, 1, 0)
        assert again.find("shop", 9) is None
        assert again.history("none") == []

    def test_one_version_is_found_as_it_was_made_and_as_it_is_now(self, opened: Opened) -> None:
        store = opened()
        store.add(kept(1))
        store.change([replace(kept(1).view, state="stopped", why="enough")])
        found = store.find("shop", 1)
        assert found is not None
        assert (found.view.state, found.view.why, found.spec, found.owner) == ("stopped", "enough", kept(1).spec, "o")

    def test_what_ends_what_it_accepted_is_found_until_nothing_of_it_is_left(self, opened: Opened) -> None:
        store = opened()
        store.add(kept(1, state="replaced"))
        assert [it.view.version for it in store.serving()] == [1]
        store.change([replace(kept(1, state="replaced").view, ended_at=5.0)])
        assert store.serving() == []

    def test_those_that_serve_come_in_the_order_they_were_made(self, opened: Opened) -> None:
        store = opened()
        for version, name in ((1, "shop"), (1, "other"), (2, "shop"), (1, "a")):
            store.add(kept(version, name, state="live"))
        store.change([replace(kept(1, "shop", state="live").view, share=50.0)])
        found = [(it.view.name, it.view.version) for it in opened().serving()]
        assert found == [("shop", 1), ("other", 1), ("shop", 2), ("a", 1)]

    def test_bundles_are_needed_by_what_serves_and_by_the_newest_versions(self, opened: Opened) -> None:
        store = opened()
        for version, state in ((1, "live"), (2, "failed"), (3, "failed")):
            one = kept(version, state=state)
            store.add(KeptDeployment(view=replace(one.view, bundle=f"b{version}"), spec=one.spec, function_ids={}))
        assert (store.bundles(0), store.bundles(1), store.bundles(None)) == ({"b1"}, {"b1", "b3"}, {"b1", "b2", "b3"})

    def test_failures_that_are_to_be_told_are_there_for_the_next_server_until_they_are_forgotten(
        self, opened: Opened
    ) -> None:
        store = opened()
        assert store.notices() == []
        first, second, third = (
            KeptNotice(id=f"in-{n}-0", app="shop", version=n, body=b"{}", failed_at=float(n)) for n in (3, 1, 2)
        )
        store.keep_notices([first, second])
        store.keep_notices([first, third])
        store.forget_notice(second.id)
        store.forget_notice("in-unknown-0")
        store.close()
        assert opened().notices() == [first, third]

    def test_what_is_kept_of_schedules_is_there_for_the_next_server(self, opened: Opened) -> None:
        store = opened()
        assert store.schedules() == []
        store.keep_schedule(KeptSchedule(app="shop", function="f", handled_at=1.0, call_id="fc-1"))
        last = KeptSchedule(app="shop", function="f", handled_at=2.0, ran_at=2.0, call_id="fc-2", note="late by 60 s")
        store.keep_schedule(last)
        paused = KeptSchedule(app="shop", function="g", paused=True)
        store.keep_schedule(paused)
        store.close()
        assert sorted(opened().schedules(), key=lambda it: it.function) == [last, paused]
