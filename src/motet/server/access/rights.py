"""What each message to a server needs a right for: one table over all of them."""

from __future__ import annotations

import enum
import functools
from collections.abc import Iterable
from typing import Any

from motet.errors import InvalidError
from motet.wire import access_messages as a
from motet.wire import bundle_messages as b
from motet.wire import client_messages as m
from motet.wire import container_messages as c
from motet.wire import conversation_messages as v
from motet.wire import deployment_messages as d
from motet.wire import host_messages as h
from motet.wire import operator_messages as o
from motet.wire import output_messages as out
from motet.wire import queue_messages as q
from motet.wire import sandbox_messages as x
from motet.wire import schedule_messages as s
from motet.wire import state_messages as t
from motet.wire.hello import Hello
from motet.wire.image_messages import BuildImages


class Right(enum.Flag):
    """What somebody may do. `HOST`: bring a machine on which containers run. `SERVE` is a container's, to carry out what it was
    started for: no token has it."""

    CALL = enum.auto()
    DEPLOY = enum.auto()
    LOOK = enum.auto()
    OPERATE = enum.auto()
    ADMINISTER = enum.auto()
    HOST = enum.auto()
    SERVE = enum.auto()

    def __str__(self) -> str:
        return ", ".join(sorted(str(each.name).lower() for each in type(self) if each in self)) or "none"


CALL, DEPLOY, LOOK, OPERATE, ADMINISTER, HOST, SERVE = Right
EVERYTHING = CALL | DEPLOY | LOOK | OPERATE | ADMINISTER | HOST
NOTHING = Right(0)

INSIDE = CALL | LOOK
"""What code in containers may do at most: what runs where is for those outside to say."""


def inside(owner: Right) -> Right:
    """What code in containers of an app may do whose owner has these rights: it sees no more than its owner does."""
    return INSIDE & (owner | CALL)


_INCLUDED = {OPERATE: LOOK, ADMINISTER: EVERYTHING}

NEEDED: dict[type[Any], Right] = {
    # Calls, with what belongs to them.
    m.SubmitInputs: CALL,
    m.CancelCall: CALL,
    v.OutcomesTaken: CALL,
    m.AckCallItems: CALL,
    m.FeedCall: CALL,
    m.SpawnOnce: CALL,
    m.AwaitOutcomes: CALL,
    m.ViewCall: CALL,
    m.BindFunction: CALL,
    q.PutItems: CALL,
    q.GetItems: CALL,
    q.ViewQueue: CALL,
    # Shared state: what has a name is its principal's, and an operator's.
    t.GetEntry: CALL | OPERATE,
    t.PutEntries: CALL,
    t.PopEntry: CALL,
    t.ListEntries: CALL | OPERATE,
    t.ViewDict: CALL | OPERATE,
    t.MakeState: CALL,
    t.RemoveState: CALL | OPERATE,
    t.ListState: CALL | LOOK,
    # Sandboxes: those of others are for operators.
    x.CreateSandbox: CALL,
    x.FindSandbox: CALL | LOOK,
    x.ListSandboxes: CALL | LOOK,
    x.TagSandbox: CALL,
    x.EndSandbox: CALL | OPERATE,
    x.OpenTunnels: CALL,
    x.SnapshotSandbox: CALL,
    x.AskSandbox: CALL,
    # Apps: those of others are for operators.
    m.CreateApp: DEPLOY,
    b.OfferBundle: DEPLOY,
    b.PutPieces: DEPLOY,
    BuildImages: DEPLOY,
    m.StopApp: DEPLOY | OPERATE,
    m.UpdateAutoscaler: DEPLOY | OPERATE,
    # Deployed apps, by name: who may deploy may do so under any.
    d.DeployApp: DEPLOY,
    d.RollBackApp: DEPLOY,
    d.PromoteApp: DEPLOY,
    d.StopDeployed: DEPLOY | OPERATE,
    d.ListDeployments: DEPLOY | LOOK,
    d.ViewVersions: DEPLOY | LOOK,
    d.FindApp: CALL,
    d.FindFunction: CALL,
    s.ListSchedules: DEPLOY | LOOK,
    s.ChangeSchedule: DEPLOY | OPERATE,
    s.RunScheduled: DEPLOY | OPERATE,
    # Looking.
    m.ViewFunction: CALL | DEPLOY | LOOK,
    m.ViewApp: CALL | DEPLOY | LOOK,
    o.ViewServer: LOOK,
    o.ViewStatus: LOOK,
    o.ViewHosts: LOOK,
    o.ViewInputs: LOOK,
    o.ViewSettings: LOOK,
    o.FindLogs: LOOK,
    o.FindInput: LOOK,
    o.FindInputs: LOOK,
    o.FindApps: LOOK,
    o.FindFunctions: LOOK,
    o.FindContainers: LOOK,
    o.FindCall: LOOK,
    o.FindCalls: LOOK,
    o.FindCallGraph: LOOK,
    # Operating: also by way of the dashboard.
    o.EndCall: OPERATE,
    o.EndContainer: OPERATE,
    o.RerunInput: OPERATE,
    o.OpenDashboard: OPERATE,
    # Administering: a container's environment has its secrets.
    o.ViewEnvironment: ADMINISTER,
    o.PruneHome: ADMINISTER,
    o.EraseCalls: ADMINISTER,
    o.FindAudit: ADMINISTER,
    a.NewToken: ADMINISTER,
    a.ListTokens: ADMINISTER,
    a.RevokeToken: ADMINISTER,
    # Belong to a request, which needs a right of its own.
    m.Request: EVERYTHING,
    m.Forget: EVERYTHING,
    q.Confirm: EVERYTHING,
    q.AnswerNow: EVERYTHING,
    # Keep a conversation together, whatever it is about.
    v.Taken: EVERYTHING,
    v.Goodbye: EVERYTHING,
    # What containers say of themselves, on connections of their own.
    c.ClockRead: SERVE,
    c.Held: SERVE,
    c.Ready: SERVE,
    c.StartFailed: SERVE,
    c.Finished: SERVE,
    c.Items: SERVE,
    c.TakeFeed: SERVE,
    c.LimitInputs: SERVE,
    c.StopDelivering: SERVE,
    c.StoodStill: SERVE,
    c.Blocked: SERVE,
    c.Unblocked: SERVE,
    out.Output: SERVE,
    out.OutputShared: SERVE,
    out.Stalled: SERVE,
    x.SandboxBegan: SERVE,
    x.SandboxIsBack: SERVE,
    x.Answered: SERVE,
    x.SandboxEnded: SERVE,
    # What the agent of a host says, on a connection of its own: whoever has none of these is refused with its hello.
    h.HostJoins: HOST,
    h.HostTells: HOST,
    h.HostAnswers: HOST,
    h.HostedWrote: HOST,
    h.HostedFroze: HOST,
    h.HostedEnded: HOST,
    h.HostFetches: HOST,
    h.WantBundle: HOST,
    h.WantPieces: HOST,
    # The first message on a connection, and no other.
    Hello: NOTHING,
}
"""Any one of the rights that stand beside a message is enough."""


def any_of(rights: Right) -> str:
    """Rights of which one is enough, in words: "deploy or look"."""
    return " or ".join(str(rights).split(", "))


@functools.cache
def refused_to(rights: Right) -> frozenset[type[Any]]:
    """The messages that somebody with these rights may not send."""
    return frozenset(kind for kind, needed in NEEDED.items() if not rights & needed)


def named_rights(names: Iterable[str]) -> Right:
    """Rights by their names, with what they include: who operates may look, who administers may do everything. Raises
    `InvalidError`."""
    rights = NOTHING
    for name in names:
        right = Right.__members__.get(name.upper())
        if right is None or right is SERVE:
            raise InvalidError(f"there is no right {name!r}; rights are {EVERYTHING}")
        rights |= right | _INCLUDED.get(right, NOTHING)
    if not rights:
        raise InvalidError(f"no right is given; rights are {EVERYTHING}")
    return rights
