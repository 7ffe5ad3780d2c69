"""The doing of each command: which part of the server carries it out."""

from __future__ import annotations

from collections.abc import Mapping

from motet.core import commands as c
from motet.server.apps.catalogue import Catalogue
from motet.server.apps.lifetimes import Lifetimes
from motet.server.clients.confirmations import Given
from motet.server.clients.session import ClientSession
from motet.server.clients.spawned import SpawnedCalls
from motet.server.containers.containers import Containers
from motet.server.deployments.room import DeploymentsRoom
from motet.server.driver import Performers


def performers(
    containers: Containers,
    catalogue: Catalogue,
    lifetimes: Lifetimes,
    calls: SpawnedCalls,
    clients: Mapping[int, ClientSession],
    given: Given | None,
    room: DeploymentsRoom,
) -> Performers:
    """By kind of command. `given` is told of outcomes that nobody waits for any more, or that are kept here."""

    def send_outcomes(command: c.SendOutcomes) -> None:
        if (client := clients.get(command.client)) is not None:
            client.send_outcomes(command.call_id, command.ended)
        elif given is not None:
            given(command.call_id, [each.index for each in command.ended])

    def save_outcomes(command: c.SaveOutcomes) -> None:
        if given is None:
            calls.save(command)
        else:  # once they are kept: until then, the containers keep them
            calls.save(command, lambda: given(command.call_id, [each.index for each in command.ended]))

    def send_items(command: c.SendItems) -> None:
        if (client := clients.get(command.client)) is not None:
            client.send_items(command.call_id, command.index, command.items)

    def ack_feed(command: c.AckFeed) -> None:
        if (client := clients.get(command.client)) is not None:
            client.send_feed_taken(command.call_id, command.index, command.count)

    return {
        c.StartContainer: containers.start,
        c.StopContainer: containers.stop,
        c.KillContainer: containers.kill,
        c.FindGpus: containers.find_gpus,
        c.DeliverAttempts: containers.deliver,
        c.DeliverBatch: containers.deliver_batch,
        c.CancelAttempts: containers.cancel,
        c.ResumeContainer: containers.resume,
        c.AckItems: containers.ack,
        c.FeedAttempt: containers.feed,
        c.SendOutcomes: send_outcomes,
        c.SendItems: send_items,
        c.AckFeed: ack_feed,
        c.SaveOutcomes: save_outcomes,
        c.SaveTries: calls.save_tries,
        c.ReportAppStopped: lifetimes.stopped,
        c.ReportFunctionRetired: catalogue.retired,
        **room.performers,
        **dict.fromkeys(
            (
                c.SeekRoom,  # a cluster is asked, where there is one
                c.ReadArguments,  # a journal carries it out, where there is one
                c.ReportDecision,
                c.RecordCalls,
                c.RecordInputs,
                c.RecordArguments,
                c.RecordSuccesses,
                c.RecordStart,
                c.RecordEnd,
            ),
            None,
        ),
    }
