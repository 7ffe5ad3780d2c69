"""Apps and principals share a host: who has fewest is next, who has more gives up, and none has more than it may."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

import pytest
from msgspec import structs

from motet.core import commands as c
from motet.core import events as e
from motet.core.engine import Engine
from motet.core.host import HostLimits
from motet.core.pace import Pace
from motet.core.shares import Share, Shares
from motet.core.start_line import StartLine
from motet.errors import ResourceExhaustedError
from motet.model.outcome import AttemptEnd, CallKind, NewInput, OutcomeKind
from motet.model.quota import Quota
from motet.testing.playbook import Playbook, text_failure
from motet.testing.transcript import deliver, ended, finished, function, ready, send, spec, start, stop, submit


def owned(app: str, principal: int, **quota: int) -> e.AppOwned:
    return e.AppOwned(app, f"the app {app}", principal, Quota(**quota))


class One:
    """Somebody in line."""

    def __init__(self, name: str, share: Share) -> None:
        self.name = name
        self.share = share


def test_the_line_is_by_who_has_fewest_and_then_by_who_came_first() -> None:
    rich, poor = Share("rich"), Share("poor")
    big, small, other = Share("big", rich), Share("small", rich), Share("other", poor)
    big.add_live(5)
    small.add_live(1)
    other.add_live(4)
    line: StartLine[One] = StartLine()
    for one in (a := One("a", big), b := One("b", small), c := One("c", small), d := One("d", other)):
        line.add(one, needs=True)
    line.add(a, needs=True)
    assert len(list(line)) == 4
    assert line.pop() is d
    other.add_live(3)
    line.add(d, needs=True)
    assert [line.pop() for _ in range(4)] == [b, c, a, d]
    assert not line


def test_who_needs_nothing_goes_behind_those_who_do() -> None:
    share = Share("app")
    a, b, c = (One(name, share) for name in "abc")
    line: StartLine[One] = StartLine()
    line.add(a, needs=True)
    line.put_first([b, c], [c, a])
    assert [line.pop() for _ in range(3)] == [c, a, b]
    line.add(a, needs=False)
    line.remove(a)
    line.remove(a)
    assert not line


def test_who_comes_and_needs_nothing_goes_behind_those_that_have_waited_for_a_place_until_it_needs_one() -> None:
    big, small = Share("big"), Share("small")
    big.add_live(5)
    a, b, c, d = One("a", big), One("b", small), One("c", small), One("d", small)
    line: StartLine[One] = StartLine()
    line.put_first([a], [a])
    for one in (b, c):
        line.add(one, needs=False)
    line.add(c, needs=True)
    assert [line.pop() for _ in range(2)] == [c, a]
    line.add(d, needs=False)  # nobody has waited
    assert [line.pop() for _ in range(2)] == [d, b]


class Crowd:
    """Functions of apps, each with more inputs than containers. Containers start at once; the input that has run
    for longest is the next to end."""

    def __init__(self, room: int, apps: dict[str, tuple[int, int]]) -> None:
        """`apps`: principal and number of functions, by id."""
        self.engine = Engine(failure=text_failure, limits=HostLimits(containers=room, starting=100))
        self.now = 0.0
        self.where: dict[str, str] = {}
        """The app of each container."""
        self.running: dict[str, int] = {}
        """The attempt that each container runs, the one that has run for longest first."""
        for app, (principal, functions) in apps.items():
            self.feed(owned(app, principal))
            for number in range(functions):
                self.feed(e.FunctionAdded(f"fu-{app}-{number}", app, spec("f")))

    def call(self, app: str, functions: int, inputs: int = 100) -> None:
        for number in range(functions):
            new = [NewInput(index, b"x") for index in range(inputs)]
            self.feed(e.InputsSubmitted(f"fc-{app}-{number}", f"fu-{app}-{number}", 1, CallKind.ATTACHED, "", new))

    def feed(self, *events: e.Event) -> None:
        left = list(events)
        while left:
            commands = self.engine.handle(left, self.now)
            left = []
            for command in commands:
                match command:
                    case c.StartContainer():
                        self.where[command.container_id] = command.function_id.rpartition("-")[0][3:]
                        left.append(e.ContainerReady(command.container_id))
                    case c.DeliverAttempts():
                        for each in command.attempts:
                            self.running[command.container_id] = each.attempt
                    case c.StopContainer() | c.KillContainer():
                        del self.where[command.container_id]
                        self.running.pop(command.container_id, None)
                        left.append(e.ContainerEnded(command.container_id, "exited with 0"))

    def step(self) -> None:
        """The input that has run for longest ends."""
        self.now += 0.01
        container_id = next(iter(self.running))
        attempt = self.running.pop(container_id)
        self.feed(e.AttemptsFinished(container_id, [AttemptEnd(attempt, OutcomeKind.SUCCESS, b"")]))

    def held(self) -> Counter[str]:
        return Counter(self.where.values())


def test_an_app_that_comes_later_gets_as_many_containers_as_one_that_holds_all() -> None:
    crowd = Crowd(8, {"old": (1, 10), "new": (2, 1)})
    crowd.call("old", 10)
    assert crowd.held() == {"old": 8}
    crowd.call("new", 1)
    for _ in range(40):
        crowd.step()
    assert crowd.held() == {"old": 4, "new": 4}
    for _ in range(60):  # and it stays so: nothing is taken to and fro
        crowd.step()
        assert crowd.held() == {"old": 4, "new": 4}


def test_principals_get_turns_first_and_their_apps_within() -> None:
    crowd = Crowd(8, {"a": (1, 3), "b": (1, 3), "c": (2, 1)})
    for app, functions in (("a", 3), ("b", 3), ("c", 1)):
        crowd.call(app, functions)
    for _ in range(60):
        crowd.step()
    assert crowd.held() == {"a": 2, "b": 2, "c": 4}


def test_what_one_does_not_need_others_have() -> None:
    crowd = Crowd(8, {"a": (1, 1), "b": (2, 1)})
    crowd.call("b", 1)
    crowd.call("a", 1, inputs=2)
    for _ in range(20):
        crowd.step()
    assert crowd.held()["b"] >= 6


@pytest.mark.parametrize("dice", range(25))
def test_whoever_comes_when_all_that_want_more_have_about_as_many(dice: int) -> None:
    roll = random.Random(dice)
    room = roll.randint(2, 9)
    apps = {f"app{number}": (roll.randint(1, 3), roll.randint(1, 4)) for number in range(roll.randint(1, 4))}
    crowd = Crowd(room, apps)
    for name in roll.sample(list(apps), len(apps)):
        crowd.call(name, apps[name][1])
        for _ in range(5):
            crowd.step()
    for _ in range(60):
        crowd.step()
    crowd.engine.check()
    held = crowd.held()
    by_principal = Counter({owner: 0 for owner, _ in apps.values()})
    for name, (owner, _) in apps.items():
        by_principal[owner] += held[name]
    assert sum(held.values()) == room
    assert max(by_principal.values()) - min(by_principal.values()) <= 1
    for owner in by_principal:
        mine = [held[name] for name, (whose, _) in apps.items() if whose == owner]
        assert max(mine) - min(mine) <= 1


# --- quotas -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def crowded() -> Iterator[Playbook]:
    with Playbook(limits=HostLimits(starting=100)) as play:
        yield play


def shortage(play: Playbook, name: str) -> str:
    return play.engine.inspection.view(f"fu-{name}", play.now).shortage


def test_an_app_has_no_more_containers_than_it_may_and_says_so(crowded: Playbook) -> None:
    play = crowded
    play >> owned("ap-1", 1, containers=2)
    play >> function("f")
    play >> function("g", app="ap-2")
    play >> submit("a", 5) << start(1) << start(2)
    assert shortage(play, "f") == "2 containers of the app ap-1 run, which may have 2 (limit `containers`)"
    play >> submit("b", function="g") << start(3, function="g")
    play >> ready(1) << deliver(1, "a0#1") >> ready(2) << deliver(2, "a1#2")
    play >> ended(1) << start(4)


def test_a_principal_has_no_more_containers_than_it_may_in_all_its_apps(crowded: Playbook) -> None:
    play = crowded
    play >> e.PrincipalLimited(1, "ci", Quota(containers=2))
    play >> owned("ap-1", 1) >> owned("ap-2", 1)
    play >> function("f") >> function("g", app="ap-2")
    play >> submit("a", 1) << start(1)
    play >> submit("b", 2, function="g") << start(2, function="g")
    assert shortage(play, "g") == "2 containers of ci run, which may have 2 (limit `containers`)"
    play >> ready(1) << deliver(1, "a0#1") >> ready(2) << deliver(2, "b0#2")
    play.at(1.0) >> finished(1, 1) << stop(1, reason="its place on the host is needed by another") << send("a", 0)
    play >> ended(1, "exited with status 0") << start(3, function="g")


def test_what_takes_over_gets_its_first_container_beyond_what_a_principal_may_have(crowded: Playbook) -> None:
    play = crowded
    play >> e.PrincipalLimited(1, "ci", Quota(containers=2))
    play >> owned("ap-1", 1) >> owned("ap-2", 1)
    play >> function("f", scaledown_window=50.0)
    play >> submit("a", 2) << start(1) << start(2)
    play >> ready(1) << deliver(1, "a0#1") >> ready(2) << deliver(2, "a1#2")
    play >> function("g", app="ap-2")
    play >> e.FunctionWarmed("fu-g", 2) << []
    assert shortage(play, "g") == "2 containers of ci run, which may have 2 (limit `containers`)"
    play >> e.FunctionWarmed("fu-g", 2, replaces=True) << start(3, function="g")
    play >> ready(3) << c.ReportWarm("fu-g")  # the second of it waits until others have ended


def test_no_principal_has_more_than_twice_what_it_may_for_the_sake_of_what_takes_over(crowded: Playbook) -> None:
    play = crowded
    play >> owned("ap-1", 1, containers=1)
    for name in "fgh":
        play >> function(name)
    play >> submit("a") << start(1)
    play >> e.FunctionWarmed("fu-g", 1, replaces=True) << start(2, function="g")
    play >> e.FunctionWarmed("fu-h", 1, replaces=True) << []


def test_what_is_deployed_gets_the_place_of_an_idle_container_of_its_principal(crowded: Playbook) -> None:
    play = crowded
    play >> owned("ap-1", 1, containers=1)
    play >> function("f", scaledown_window=50.0) >> function("g")
    play >> submit("a") << start(1)
    play >> ready(1) << deliver(1, "a0#1")
    play >> finished(1, 1) << send("a", 0)
    play >> e.FunctionWarmed("fu-g", 1) << stop(1, reason="its place on the host is needed by another")
    play >> ended(1, "exited with status 0") << start(2, function="g")


def test_callers_that_fill_a_quota_get_a_container_for_what_they_call(crowded: Playbook) -> None:
    play = crowded
    play >> owned("ap-1", 1, containers=2)
    play >> function("f") >> function("g")
    play >> submit("a", 2) << start(1) << start(2)
    play >> ready(1) << deliver(1, "a0#1") >> ready(2) << deliver(2, "a1#2")
    play >> submit("b", function="g", parent="a0", client=2) << start(3, function="g")


def test_inputs_beyond_what_a_principal_may_have_are_refused_with_when_to_come_again(crowded: Playbook) -> None:
    play = crowded
    play >> e.PrincipalLimited(1, "the principal 'ci'", Quota(inputs=3))
    play >> function("f", max_containers=1)
    play >> submit("a", 2) << start(1)
    refused = send("b", 1, kind=OutcomeKind.REFUSED)
    play >> submit("b", 2) << refused
    play >> submit("c", 1, client=2)  # another's
    error = play.engine.inspection.refusal("fu-f", CallKind.SPAWNED, 1)
    assert isinstance(error, ResourceExhaustedError)
    assert "the principal 'ci' has 3 inputs that wait or run, and may have 3 (limit `inputs`)" in str(error)
    assert error.retry_after > 0
    play >> ready(1) << deliver(1, "a0#1")
    play >> finished(1, 1) << deliver(1, "b0#2") << send("a", 0)
    assert play.engine.inspection.refusal("fu-f", CallKind.SPAWNED, 1) is None


def test_a_call_from_before_a_bound_was_lifted_is_no_longer_bound(crowded: Playbook) -> None:
    play = crowded
    play >> e.PrincipalLimited(1, "the principal 'ci'", Quota(inputs=1))
    play >> function("f", max_containers=1)
    play >> submit("a") << start(1)
    play >> e.PrincipalLimited(1, "the principal 'ci'", Quota(containers=9))
    play >> submit("a", 1, first=1)
    play >> ready(1) << deliver(1, "a0#1")
    play >> finished(1, 1) << deliver(1, "a1#2") << send("a", 0)


def test_a_share_is_forgotten_with_its_last_app_unless_it_is_limited() -> None:
    shares = Shares()
    shares.limit(1, "ci", Quota(inputs=1))
    for app, principal in (("ap-1", 1), ("ap-2", 2), ("ap-3", 2)):
        shares.own(app, app, principal, Quota())
    for app in ("ap-1", "ap-2", "ap-3", "ap-4"):
        shares.forget_app(app)
    assert len(shares.bounding(1, "ap-1")) == 1
    assert list(shares._principals) == [1]
    assert Share("free").refusal(Pace()) is None


def test_what_a_server_before_this_one_had_taken_waits_but_for_more_than_as_much_again(crowded: Playbook) -> None:
    play = crowded
    play >> e.PrincipalLimited(1, "the principal 'ci'", Quota(inputs=3))
    play >> function("f", max_containers=1)
    play >> submit("a", 3) << start(1)
    accepted = {"again": True, "accepted": True}
    play >> structs.replace(submit("b", 3), **accepted)
    play >> structs.replace(submit("c"), **accepted) << send("c", 0, kind=OutcomeKind.REFUSED)
    play >> structs.replace(submit("d"), again=True) << send("d", 0, kind=OutcomeKind.REFUSED)
