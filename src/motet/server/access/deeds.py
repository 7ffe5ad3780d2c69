"""What each message asks for, in the words of who is refused it."""

from __future__ import annotations

from typing import Any

from motet.server.access.rights import NEEDED, any_of
from motet.wire import access_messages as a
from motet.wire import bundle_messages as b
from motet.wire import client_messages as m
from motet.wire import conversation_messages as v
from motet.wire import deployment_messages as d
from motet.wire import operator_messages as o
from motet.wire import queue_messages as q
from motet.wire import sandbox_messages as x
from motet.wire import schedule_messages as s
from motet.wire import state_messages as t
from motet.wire.image_messages import BuildImages

DEEDS: dict[type[Any], str] = {
    **dict.fromkeys((m.SubmitInputs, m.FeedCall), "calling a function"),
    m.BindFunction: "making a variant of a function",
    m.CancelCall: "cancelling a call",
    **dict.fromkeys((v.OutcomesTaken, m.AckCallItems, m.AwaitOutcomes), "taking results of a call"),
    m.SpawnOnce: "making calls",
    m.ViewCall: "looking at a call",
    q.PutItems: "putting items into a queue",
    q.GetItems: "getting items from a queue",
    q.ViewQueue: "looking at a queue",
    **dict.fromkeys((t.GetEntry, t.ListEntries, t.ViewDict), "reading a dict"),
    **dict.fromkeys((t.PutEntries, t.PopEntry), "changing a dict"),
    t.MakeState: "making a dict",
    t.RemoveState: "deleting a dict",
    t.ListState: "looking at dicts",
    x.CreateSandbox: "creating a sandbox",
    **dict.fromkeys((x.FindSandbox, x.ListSandboxes), "looking at sandboxes"),
    x.TagSandbox: "changing a sandbox's tags",
    x.EndSandbox: "ending a sandbox",
    x.OpenTunnels: "reaching a port of a sandbox",
    x.SnapshotSandbox: "keeping a sandbox's files",
    x.AskSandbox: "using a sandbox",
    m.CreateApp: "running an app",
    **dict.fromkeys((b.OfferBundle, b.PutPieces), "sending source"),
    BuildImages: "building images",
    m.StopApp: "stopping an app",
    m.UpdateAutoscaler: "changing how a function scales",
    d.DeployApp: "deploying an app",
    d.RollBackApp: "rolling an app back",
    d.PromoteApp: "promoting a version",
    d.StopDeployed: "stopping a deployed app",
    **dict.fromkeys((d.ListDeployments, d.ViewVersions), "looking at deployed apps"),
    d.FindApp: "looking up a deployed app",
    d.FindFunction: "looking up a deployed function",
    s.ListSchedules: "looking at schedules",
    s.ChangeSchedule: "pausing a schedule",
    s.RunScheduled: "running a scheduled function",
    m.ViewFunction: "looking at a function",
    m.ViewApp: "looking at an app",
    o.ViewServer: "looking at what runs",
    o.ViewHosts: "looking at hosts",
    o.ViewStatus: "looking at how the server is",
    o.ViewInputs: "looking at inputs",
    o.ViewSettings: "looking at how a function scales",
    o.FindLogs: "reading logs",
    **dict.fromkeys((o.FindInput, o.FindInputs), "looking at inputs that have ended"),
    **dict.fromkeys((o.FindCall, o.FindCalls, o.FindCallGraph), "looking at calls"),
    **dict.fromkeys((o.FindApps, o.FindFunctions, o.FindContainers), "looking at what ran"),
    o.EndCall: "ending a call of others",
    o.EndContainer: "stopping a container",
    o.RerunInput: "running a failed input again",
    o.OpenDashboard: "opening the dashboard",
    o.ViewEnvironment: "reading a container's environment",
    o.PruneHome: "deleting bundles",
    o.EraseCalls: "erasing calls",
    o.FindAudit: "reading the audit log",
    a.NewToken: "making a token",
    a.ListTokens: "listing tokens",
    a.RevokeToken: "revoking a token",
}


def deed(kind: type[Any]) -> str:
    """What somebody wants who sends such a message; the message's name, if only containers do."""
    return DEEDS.get(kind, kind.__name__)


def lacking(kind: type[Any], rights: object) -> str:
    """Why it is refused to somebody with these rights."""
    return f"{deed(kind)} needs a right that this token does not give: {any_of(NEEDED[kind])}; it gives: {rights}"
