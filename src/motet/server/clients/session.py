"""A client's session: its requests answered, its calls turned into events."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from motet.core import events as e
from motet.errors import ConnectionError, Error, InvalidError, PermissionDeniedError
from motet.model.function import AppSpec
from motet.model.ids import AppId
from motet.model.outcome import CallKind, InputEnd, OutcomeKind
from motet.server.access.allowance import Allowance
from motet.server.access.audit import SessionAudit, Somebody
from motet.server.access.deeds import deed, lacking
from motet.server.access.door import Principal
from motet.server.access.rights import EVERYTHING, OPERATE, Right, refused_to
from motet.server.clients.confirmations import Confirmations
from motet.server.clients.log_search import find_logs
from motet.server.clients.pending_answers import PendingAnswers
from motet.server.clients.queues import size_of
from motet.server.clients.refusals import answer, refusal
from motet.server.clients.shared_parts import SharedParts
from motet.server.clients.spawn_requests import SpawnRequests, is_new_spawn
from motet.server.clients.turnstile import Turnstile
from motet.server.deployments.deployments import Deployer
from motet.server.facts import InputTraced
from motet.server.lines import LineReader
from motet.server.peers import Peer
from motet.server.sandboxes.sandbox_requests import SandboxAsker
from motet.server.state.shared_state import StateAsker
from motet.store.journal import KeptApp
from motet.wire import client_messages as m
from motet.wire import report
from motet.wire.again import FIRST_NUMBER, is_said_again
from motet.wire.codec import ToServer
from motet.wire.conversation_messages import OutcomesTaken
from motet.wire.hello import Hello
from motet.wire.operator_messages import (
    DashboardOpened,
    FindLogs,
    OpenDashboard,
)
from motet.wire.queue_messages import AnswerNow, Confirm, GetItems, PutItems, QueueViewed, ViewQueue

ANYBODY = Deployer("", "", EVERYTHING)

A = TypeVar("A")
Handle = Callable[[int, Any], m.ReplyBody | None]
"""Answers a request of this number now, or returns None and sees to the answer later."""


class ClientSession:
    """One connected client. `number` is how the engine names it."""

    def __init__(
        self,
        number: int,
        peer: Peer,
        parts: SharedParts,
        *,
        rights: Right = EVERYTHING,
        principal: int | None = None,
        by: Deployer = ANYBODY,
        is_inside: bool = False,
        came_as: Principal | None = None,
        audit: SessionAudit | None = None,
        allowance: Allowance | None = None,
        confirms: bool = False,
    ) -> None:
        self._confirmations = None if parts.given is None else Confirmations(parts.given, confirms=confirms)
        self._turnstile, self._again_until = Turnstile(allowance), parts.again_until
        self._audit = audit or SessionAudit(None, Somebody("", "", ""))
        self.number = number
        self.principal = number if principal is None else principal
        """Who it acts for: itself, or the client on whose app it works, if it is a container."""
        # Who came in from outside to operate may do so with what is others', too.
        self._by = None if principal is not None and OPERATE in rights else self.principal
        self.rights = rights
        self._refused = refused_to(rights)
        self._is_inside = is_inside
        self._peer = peer
        self._driver = parts.driver
        self._catalogue = parts.catalogue
        self._lifetimes = parts.lifetimes
        self.show_lines = LineReader(peer).show
        self._calls = parts.calls
        self._queues = parts.queues
        self._names = parts.names
        self._place = parts.place
        self._pending = PendingAnswers(self.reply)
        self._spawning = SpawnRequests(self, parts, self._turnstile, self._number_is_used)
        self._last_number = 0
        """The highest number that a request has had, of those that are not said again."""
        self._operations = operations = parts.operations
        self._requests: dict[type[Any], Handle] = {
            m.CreateApp: self._create_app,
            m.StopApp: self._stop_app,
            m.BindFunction: self._bind_function,
            m.UpdateAutoscaler: self._update_autoscaler,
            m.ViewFunction: self._view_function,
            m.ViewApp: self._view_app,
            m.ViewCall: lambda number, body: parts.calls.view(self, number, body, self._by),
            m.AwaitOutcomes: lambda number, body: parts.calls.await_outcomes(self, number, body, self._by),
            m.SubmitInputs: self._spawning.spawn,
            m.SpawnOnce: self._spawning.spawn_once,
            PutItems: self._put_items,
            GetItems: self._get_items,
            ViewQueue: self._view_queue,
            OpenDashboard: lambda request_id, body: DashboardOpened(*parts.open_dashboard(came_as)),
            FindLogs: lambda request_id, body: self._pending.add(request_id, body, find_logs(operations, body)),
        }
        for kind, found in parts.deployments.answers.items():
            self._requests[kind] = self._later(found, by)
        asker = SandboxAsker(self.principal, self._by, lambda app_id: self._lifetimes.check_owner(app_id, self._by))
        for kind, asked in parts.sandboxes.answers.items():
            self._requests[kind] = self._later(asked, asker)
        of_state = StateAsker(self.principal, self._by, self._turnstile.check_stored)
        for kind, shared in parts.state.answers.items():
            self._requests[kind] = self._later(shared, of_state)

    def _later(self, found: Callable[[Any, A], Coroutine[Any, Any, m.ReplyBody]], by: A) -> Handle:
        return lambda request_id, body: self._pending.add(request_id, body, found(body, by))

    def receive(self, messages: Sequence[ToServer]) -> None:
        """What the client sent, in order; all of it reaches the engine in one turn."""
        events: list[e.Event] = []
        spawns: list[m.Request] = []
        for message in messages:
            if type(message) is m.Request and is_new_spawn(message.body):
                spawns.append(message)
                continue
            if spawns:
                self._spawn_all(spawns, events)
                spawns = []
            if type(message) in self._refused:
                self._refuse(message)
            elif isinstance(message, m.SubmitInputs):
                self._take_inputs(message, events)
            elif isinstance(message, m.AckCallItems):
                events.append(e.ItemsTaken(message.call_id, message.index, message.count, self._by))
            elif isinstance(message, m.FeedCall):
                events.append(e.InputFed(message.call_id, message.index, message.items, self._by))
            elif isinstance(message, m.CancelCall):
                terminate = message.terminate_containers
                self._calls.cancelled(message.call_id, self._by, "by its caller")
                events.append(e.CallCancelled(message.call_id, "by its caller", terminate, self._by))
            elif isinstance(message, m.Request):
                self._take_all(events)
                self._answer(message)
            else:
                self._follow_up(message)
        if spawns:
            self._spawn_all(spawns, events)
        if events:
            self._driver.take(*events)

    def _take_all(self, events: list[e.Event]) -> None:
        """What was sent before a request has happened when that is answered."""
        if events:
            self._driver.take(*events)
            events.clear()

    def _spawn_all(self, requests: list[m.Request], events: list[e.Event]) -> None:
        self._take_all(events)
        if len(requests) > 1 and m.SubmitInputs not in self._refused:
            self._spawning.spawn_all(requests)
        else:
            for request in requests:
                self._answer(request)

    def _follow_up(self, message: ToServer) -> None:
        """Take what is about a request that was made before, or about outcomes that were sent."""
        if isinstance(message, OutcomesTaken):
            if self._confirmations is not None:
                self._confirmations.taken(message.count)
        elif isinstance(message, m.Forget):
            self._calls.forget(self.number, message.request_id)
            self._queues.forget(self.number, message.request_id)
            self._pending.forget(message.request_id)
            self._turnstile.leave(message.request_id)
        elif isinstance(message, Confirm):
            self._queues.confirm(self.number, message.request_id, message.count)
        elif isinstance(message, AnswerNow):
            self._queues.answer_now(self.number, message.request_id)

    def disconnected(self) -> None:
        """The client is gone: what only it wanted ends, and so do its apps."""
        self._calls.forget_client(self.number)
        self._queues.forget_client(self.number)
        self._pending.close()
        self._turnstile.close()
        self._audit.close()
        # Calls first: they end because their caller is gone, and not because its app stops.
        self._driver.take(e.ClientLost(self.number))
        self._lifetimes.disconnected(self)
        if self._confirmations is not None:
            self._confirmations.gone()

    def fail(self, error: Exception) -> None:
        """What this client sent could not be handled, and nobody can tell it which of it was lost: a promise is broken."""
        self._driver.fail(error)

    def farewell(self) -> None:
        """The server ends in order."""
        self._peer.send((m.Farewell(),))

    def broken(self, problem: bytes) -> None:
        """The server ends because of a bug of its own: the client is told, and waits for nothing any more."""
        self._peer.send((m.Broken(problem),))
        self._peer.close()

    # --- answers ------------------------------------------------------------------------------------------------------

    def reply(self, request_id: int, body: m.ReplyBody) -> None:
        self._peer.send((m.Reply(request_id, body),))
        self._turnstile.leave(request_id)
        self._audit.answered(request_id, body)

    def reply_all(self, answers: Sequence[tuple[int, m.ReplyBody]]) -> None:
        self._peer.send([m.Reply(request_id, body) for request_id, body in answers])
        if self._turnstile.is_open and not self._audit.awaits_any:
            return
        for request_id, body in answers:
            self._turnstile.leave(request_id)
            self._audit.answered(request_id, body)

    def send_outcomes(self, call_id: str, ended: list[InputEnd]) -> None:
        self._peer.send((m.Outcomes(call_id, ended),))
        if self._confirmations is not None:
            self._confirmations.sent(call_id, ended)

    def send_items(self, call_id: str, index: int, items: list[bytes]) -> None:
        self._peer.send((m.CallItems(call_id, index, items),))

    def send_feed_taken(self, call_id: str, index: int, count: int) -> None:
        self._peer.send((m.CallFeedTaken(call_id, index, count),))

    def _answer(self, request: m.Request) -> None:
        self._number_is_used(request.request_id)
        try:
            body = self._found(request)
        except Exception as error:
            body = refusal(request.body, error)
        if body is not None:
            answer(lambda body: self.reply(request.request_id, body), request.body, body)

    def _number_is_used(self, number: int) -> None:
        """By a new request. Where one before it had the same, whoever did that wants the later answer."""
        if self._last_number < number < FIRST_NUMBER:
            self._last_number = number
            return
        self._calls.forget(self.number, number)
        self._queues.forget(self.number, number)
        self._pending.forget(number)

    def _found(self, request: m.Request) -> m.ReplyBody | None:
        """The answer, or None if there is to be one later."""
        kind = type(request.body)
        if kind in self._refused:
            raise self._denied(kind)
        self._turnstile.enter(request.request_id, accepted=is_said_again(request) and self.is_believed())
        self._audit.asked(request)
        if (handle := self._requests.get(kind)) is not None:
            return handle(request.request_id, request.body)
        found = self._operations.answers[kind](request.body)
        if not isinstance(found, Coroutine):
            return found
        self._pending.add(request.request_id, request.body, found)
        return None

    def _denied(self, kind: type[Any]) -> PermissionDeniedError:
        if self._is_inside:
            denied = PermissionDeniedError(f"{deed(kind)} is refused to code in containers: ask from outside")
        else:
            denied = PermissionDeniedError(lacking(kind, self.rights))
        self._audit.denied(kind, str(denied))
        return denied

    def _refuse(self, message: ToServer) -> None:
        """Answer what nobody with these rights may send. Raises `ConnectionError` where there is no answer to be sent."""
        kind = type(message)
        if isinstance(message, Hello):
            raise ConnectionError("only the first message may be a hello")
        if not isinstance(message, m.SubmitInputs):
            raise ConnectionError(str(self._denied(kind)))
        self._refuse_inputs(message, self._denied(kind))

    def _refuse_inputs(self, message: m.SubmitInputs, error: Error) -> None:
        told = report.of(error)
        self.send_outcomes(message.call_id, [InputEnd(it.index, OutcomeKind.REFUSED, told) for it in message.inputs])

    def _take_inputs(self, message: m.SubmitInputs, events: list[e.Event]) -> None:
        if message.kind is CallKind.SPAWNED:
            # These are taken by request alone, which is where it is asked whether there is room for them.
            self._refuse_inputs(message, InvalidError("inputs of a spawned call are to be sent as a request"))
            return
        accepted = message.again and self.is_believed()
        if (over := self._turnstile.over_inputs(len(message.inputs), accepted=accepted)) is not None:
            self._refuse_inputs(message, over)
            return
        try:
            function_id = self._names.of_call(message.call_id, message.function_id, message.inputs, message.again)
        except Error as error:
            told = report.of(error)
            self.send_outcomes(message.call_id, [InputEnd(it.index, OutcomeKind.LOST, told) for it in message.inputs])
            return
        self._catalogue.revive(function_id)
        events.append(self.submitted(message, function_id))

    def submitted(self, message: m.SubmitInputs, function_id: str) -> e.InputsSubmitted:
        """What is said to the engine of these inputs."""
        if message.trace:
            self._driver.tell(InputTraced(function_id))
        return e.InputsSubmitted(
            message.call_id,
            function_id,
            self.number,
            message.kind,
            message.method,
            message.inputs,
            message.parent_input_id,
            message.trace,
            message.at_most_once,
            self.principal,
            self._is_inside,
            message.again,
            message.again and self.is_believed(),
        )

    def is_believed(self) -> bool:
        """Whether what a client says again had been let in by a server before this one: in the time for coming back."""
        return self._driver.clock.now() < self._again_until

    # --- requests: each answers now, or returns None and sees to the answer later -----------------------------------------

    def _create_app(self, request_id: int, body: m.CreateApp) -> m.ReplyBody | None:
        if body.bundle or body.detached or any(map(self._catalogue.levels.asks_for_image, body.spec.functions)):
            self._pending.add(request_id, body, self._create_placed(body))
            return None
        return self._created(body, body.spec)

    async def _create_placed(self, body: m.CreateApp) -> m.ReplyBody:
        created = self._created(body, await self._place(body.spec, body.bundle))
        if body.detached:
            rights = tuple(str(each.name).lower() for each in Right if each in self.rights)
            functions = tuple(created.functions)
            app = KeptApp(body.app_id, body.spec, functions, self.principal, rights, body.bundle)
            try:
                await self._calls.keep_app(app)
            except Error:
                self._lifetimes.stop(body.app_id)
                raise
        return created

    def _created(self, body: m.CreateApp, spec: AppSpec) -> m.AppCreated:
        app = self._lifetimes.start(AppId(body.app_id), spec, self, detached=body.detached, functions=body.functions)
        return m.AppCreated(app.function_ids(), app.web_urls)

    def _stop_app(self, request_id: int, body: m.StopApp) -> None:
        self._lifetimes.check_owner(body.app_id, self._by)
        self._lifetimes.check_is_no_version(body.app_id)
        self._lifetimes.stop(body.app_id, lambda: self.reply(request_id, m.Done()))

    def _bind_function(self, request_id: int, body: m.BindFunction) -> m.ReplyBody:
        return m.FunctionBound(self._names.bind(body.function_id, body.variant, body.bound))

    def _update_autoscaler(self, request_id: int, body: m.UpdateAutoscaler) -> m.ReplyBody:
        function_id = self._names.resolve(body.function_id)
        self._lifetimes.check_owner(self._catalogue.app_of(function_id).app_id, self._by)
        settings = self._catalogue.update_autoscaler(function_id, body.change)
        return m.AutoscalerUpdated(settings)

    def _view_function(self, request_id: int, body: m.ViewFunction) -> m.ReplyBody:
        function_id = self._names.resolve(body.function_id)
        self._catalogue.revive(function_id)
        return m.FunctionViewed(self._driver.engine.inspection.view(function_id, self._driver.clock.now()))

    def _view_app(self, request_id: int, body: m.ViewApp) -> m.ReplyBody:
        return m.AppViewed(self._catalogue.view(body.app_id))

    def _put_items(self, request_id: int, body: PutItems) -> m.ReplyBody | None:
        self._queues.owners.check(body.queue_id, self.principal, self._by)
        self._turnstile.check_stored(size_of(body.items))
        return self._queues.put(self, request_id, body)

    def _get_items(self, request_id: int, body: GetItems) -> m.ReplyBody | None:
        self._queues.owners.check(body.queue_id, self.principal, self._by)
        return self._queues.get(self, request_id, body)

    def _view_queue(self, request_id: int, body: ViewQueue) -> m.ReplyBody:
        self._queues.owners.check(body.queue_id, self.principal, self._by)
        return QueueViewed(self._queues.view(body))
