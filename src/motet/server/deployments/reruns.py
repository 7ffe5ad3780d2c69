"""Failed inputs that are run once more on the server that keeps their arguments, which go nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from motet.errors import NotFoundError
from motet.model.ids import checked_id, split_input_id
from motet.records.arguments import ArgumentsRecord, DefinitionRecord, why_not_kept
from motet.server.access.door import Principal
from motet.server.apps.catalogue import Catalogue
from motet.server.deployments.aliases import Alias
from motet.server.deployments.deployments import Deployer
from motet.server.deployments.schedules import Spawn
from motet.store.records import RecordReader
from motet.wire.client_messages import Done, ReplyBody
from motet.wire.operator_messages import RerunInput

Read = Callable[[Callable[[RecordReader], Any]], Coroutine[Any, Any, Any]]
"""Finds something in the records of this server (see `Operations.read`)."""

ArgumentsOf = Callable[[ArgumentsRecord], Coroutine[Any, Any, bytes]]
"""Reads arguments, wherever they are (see `CallsRoom.arguments_of`)."""


class Reruns:
    """Answers those who ask for it: the new call is theirs."""

    def __init__(self, read: Read, catalogue: Catalogue, spawn: Spawn, arguments_of: ArgumentsOf) -> None:
        self._read = read
        self._arguments_of = arguments_of
        self._catalogue = catalogue
        self._spawn = spawn
        self.answers: dict[type[Any], Callable[[Any, Deployer], Coroutine[Any, Any, ReplyBody]]] = {
            RerunInput: self._rerun
        }

    async def _rerun(self, body: RerunInput, by: Deployer) -> ReplyBody:
        input_id = checked_id(body.input_id, "in", "input")
        checked_id(body.call_id, "fc", "function call", tail=r"[\w-]{1,100}")
        arguments, definition, method = await self._read(lambda records: _kept(records, input_id))
        function_id = arguments.function_id
        if not self._catalogue.has(function_id):
            if definition is None or not definition.version:
                raise NotFoundError(f"{function_id}, which ran {input_id}, is not served any more")
            # This server has been started since: the version has other ids now.
            function_id = Alias(definition.app_name, definition.spec.key, definition.version).function_id
        asker = Principal(by.name, by.rights, key=by.identity)
        payload = await self._arguments_of(arguments)
        await self._spawn(asker, function_id, body.call_id, payload, method)
        return Done()


def _kept(records: RecordReader, input_id: str) -> tuple[ArgumentsRecord, DefinitionRecord | None, str]:
    summary = records.call(split_input_id(input_id)[0])
    arguments = records.arguments(input_id)
    if arguments is None or summary is None:
        raise why_not_kept(input_id, records.input(input_id))
    return arguments, records.definition(arguments.function_id), summary.call.method
