"""Sandboxes take the places of containers: of the host, and of their owner's share."""

from __future__ import annotations

from motet.core import events as e
from motet.core.commands import ReportAppStopped
from motet.core.host import HostLimits
from motet.model.quota import Quota
from motet.testing.playbook import Playbook
from motet.testing.transcript import deliver, ended, finished, function, ready, send, start, stop, submit


def refusal(play: Playbook, principal: int, app_id: str = "") -> str:
    return str(play.engine.inspection.sandbox_refusal(principal, app_id) or "")


def test_a_full_host_takes_no_more_sandboxes_and_no_containers_beside_them() -> None:
    with Playbook(limits=HostLimits(containers=2)) as play:
        play >> e.SandboxStarted("sb-1", 7, "") >> e.SandboxStarted("sb-2", 7, "")
        assert refusal(play, 8) == (
            "no sandbox can start: 2 containers and sandboxes run on this host, which may have 2 (MOTET_CONTAINERS_PER_HOST)"
        )
        play >> function("f") >> submit("a")
        play >> e.SandboxGone("sb-1") << start(1)
        play >> ready(1) << deliver(1, "a0#1")
        play >> e.SandboxGone("sb-1")  # again
        assert refusal(play, 8) != ""
        play >> finished(1, 1) << send("a", 0)
        play >> e.SandboxGone("sb-2")
        assert refusal(play, 8) == ""


def test_an_idle_container_makes_way_for_a_sandbox_on_a_full_host_and_a_busy_one_does_not() -> None:
    with Playbook(limits=HostLimits(containers=2)) as play:
        play >> function("f") >> submit("a") << start(1)
        play >> ready(1) << deliver(1, "a0#1")
        play >> e.SandboxStarted("sb-1", 7, "")
        assert refusal(play, 8) != "", "a container with an input stays"
        play >> finished(1, 1) << send("a", 0)
        assert refusal(play, 8) == ""
        play >> e.SandboxStarted("sb-2", 8, "") << stop(1)
        assert refusal(play, 8) != "", "one that was told to end makes way once"
        play >> ended(1)
        assert refusal(play, 8) != ""
        play >> e.SandboxGone("sb-1")
        assert refusal(play, 8) == ""


def test_a_principal_has_no_more_sandboxes_than_containers() -> None:
    with Playbook() as play:
        play >> e.PrincipalLimited(7, "the principal 'ann'", Quota(containers=1))
        assert refusal(play, 7) == ""
        play >> e.SandboxStarted("sb-1", 7, "")
        assert refusal(play, 7) == (
            "no sandbox can start: 1 containers of the principal 'ann' run, which may have 1 (limit `containers`); sandboxes "
            "count as containers"
        )
        assert refusal(play, 8) == ""


def test_an_app_has_not_stopped_while_sandboxes_of_it_are_there() -> None:
    with Playbook() as play:
        play >> e.AppOwned("ap-1", "the app x", 7, Quota(containers=1))
        play >> e.SandboxStarted("sb-1", 7, "ap-1")
        assert "of the app x run" in refusal(play, 7, "ap-1")
        play >> e.AppStopped("ap-1", 30.0)
        play >> e.SandboxGone("sb-1") << ReportAppStopped("ap-1")
