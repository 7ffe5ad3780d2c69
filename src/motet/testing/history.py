"""Whether what happened may have happened: `check` reads a history and says which promises were broken.

It knows nothing of how Motet works, and asks nobody in it: clients say what they handed in and what they got, containers say
what ran in them, and whoever did harm says to whom. `python -m motet.testing.history FILE` checks a history that was kept.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from motet.model.outcome import OutcomeKind
from motet.testing.history_events import (
    AttemptBegan,
    BoundsDeclared,
    Broke,
    ClientTurnedAway,
    ContainerBegan,
    ContainerVanished,
    Event,
    OutcomeOffered,
    described,
    loaded,
)
from motet.testing.history_hosts import stranded
from motet.testing.history_schedules import schedules_are_kept
from motet.testing.history_told import NEVER, HistoryTold

DEATHS_THAT_CONDEMN = 2
"""An input may end as the killer of its container only if that many containers were harmed while it was there."""

MOST_AHEAD = 256
"""Items that a stream may have made, and its caller does not have."""

ELSEWHERE = "what a lost host ran runs elsewhere"

AROUND = 2.0
"""Seconds before and after what is told of an input that are told, too."""

UNHEARD = 15.0
"""Seconds for which the death of a container may stay unheard of, where what says so is held up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A promise that was broken, by its name, and how it shows. `key`: of which input, if it is about one."""

    promise: str
    what: str
    key: str = ""


def check(events: Sequence[Event]) -> list[Violation]:
    """Every broken promise, in the order of the functions below; none for a run that went as it should."""
    told = HistoryTold(events)
    found = [
        *_nothing_broke(told),
        *_nobody_is_turned_away(told),
        *_each_accepted_input_has_one_outcome(told),
        *_results_are_right(told),
        *_results_stay_the_same(told),
        *_streams_are_whole(told),
        *_streams_wait_for_their_consumers(told),
        *_no_outcome_is_fenced(told),
        *_nothing_runs_after_its_end(told),
        *_nothing_runs_twice_at_once(told),
        *_finished_work_is_not_done_again(told),
        *_at_most_once_is_not_twice(told),
        *_only_the_cancelled_are(told),
        *_no_innocent_is_condemned(told),
        *_bounds_are_kept(told),
        *(Violation(promise=ELSEWHERE, what=it.what, key=it.key) for it in stranded(told)),
        *(Violation(promise=it.promise, what=it.what, key=it.key) for it in schedules_are_kept(told)),
    ]
    return list(dict.fromkeys(found))


def _nothing_broke(told: HistoryTold) -> Iterator[Violation]:
    for event in told.events:
        if isinstance(event, Broke):
            yield Violation(promise="nothing breaks", what=event.what)


def _nobody_is_turned_away(told: HistoryTold) -> Iterator[Violation]:
    """A conversation outlives its connection: a client goes on with the server that it spoke to, or with the next one."""
    for event in told.events:
        if not isinstance(event, ClientTurnedAway) or event.client in told.cut_off:
            continue
        if not told.lacked_server(event.at):
            what = f"{event.client} was told {event.error!r}, though it could have gone on"
            yield Violation(promise="conversations outlive connections", what=what)


def _each_accepted_input_has_one_outcome(told: HistoryTold) -> Iterator[Violation]:
    """An attached input ends once for its client, unless that is gone or has cancelled it. A spawned one that was acknowledged
    has an outcome for whoever asks."""
    for event in told.strangers:
        yield Violation(
            promise="accepted = ended", what=f"{event.key} was never submitted: {described(event)}", key=event.key
        )
    for key, it in told.inputs.items():
        asked = it.submitted
        is_gone = asked.client in told.cut_off
        if asked.spawned:
            function = told.functions.get(asked.function)
            outlives = function is not None and function.outlives
            if told.settled and not it.seen and it.acknowledged_at < NEVER and (outlives or not is_gone):
                what = f"{key} was acknowledged, and at the end nobody has an outcome of it"
                yield Violation(promise="no acknowledged spawn is lost", what=what, key=key)
            continue
        if len(it.seen) > 1:
            what = f"{key} has {len(it.seen)} outcomes for one caller"
            yield Violation(promise="exactly one outcome", what=what, key=key)
        for denied in it.denied:
            # A stream is not gone on with: items may be lost on their way.
            is_cut = asked.streams and told.changed_server(asked.at, denied.at)
            if not is_gone and not is_cut and not told.lacked_server(denied.at):
                what = f"{key}: its caller was told {denied.error!r}, though nothing had been done to it"
                yield Violation(promise="accepted = ended", what=what, key=key)
        if told.settled and not it.seen and not it.denied and it.cancelled_at == NEVER and not is_gone:
            yield Violation(promise="accepted = ended", what=f"{key} was accepted and never ended", key=key)


def _results_are_right(told: HistoryTold) -> Iterator[Violation]:
    """What a caller has of an attempt, that attempt has offered."""
    for key, it in told.inputs.items():
        for seen in it.seen:
            if seen.attempt is None:
                if seen.kind is OutcomeKind.SUCCESS:
                    what = f"{key} succeeded, and no attempt is known to have"
                    yield Violation(promise="right results", what=what, key=key)
                elif seen.kind is OutcomeKind.REFUSED:
                    what = f"{key} was refused: {seen.text}"
                    yield Violation(promise="right results", what=what, key=key)
            elif (seen.attempt, seen.kind) not in {(offered.attempt, offered.kind) for offered in it.offered}:
                what = f"{key} ended as {seen.kind.name} of attempt {seen.attempt}, which no container has offered"
                yield Violation(promise="right results", what=what, key=key)


def _results_stay_the_same(told: HistoryTold) -> Iterator[Violation]:
    for key, it in told.inputs.items():
        for seen in it.seen[1:]:
            first = it.seen[0]
            if (seen.kind, seen.attempt) != (first.kind, first.attempt):
                what = (
                    f"{key} was {first.kind.name} of attempt {first.attempt} for {first.reader}, and later "
                    f"{seen.kind.name} of attempt {seen.attempt} for {seen.reader}"
                )
                yield Violation(promise="results stay the same", what=what, key=key)


def _streams_are_whole(told: HistoryTold) -> Iterator[Violation]:
    """A caller has the items of one attempt, each once and in order; all of them, if that has succeeded."""
    for key, it in told.inputs.items():
        count = 0
        for items in it.items:
            of = it.items[0].attempt
            made = sum(each.count for each in it.yielded if each.attempt == of and each.at <= items.at)
            if (items.attempt, items.first) != (of, count) or count + items.count > made:
                what = (
                    f"{key} gave items {items.first} to {items.first + items.count - 1} of attempt {items.attempt} "
                    f"after {count} of attempt {of}, which had made {made}"
                )
                yield Violation(promise="streams are whole", what=what, key=key)
                break
            count += items.count
        for seen in it.seen:
            made = sum(each.count for each in it.yielded if each.attempt == seen.attempt)
            if seen.kind is OutcomeKind.SUCCESS and made != count:
                what = f"{key} succeeded as attempt {seen.attempt}, which made {made} items, and {count} had come"
                yield Violation(promise="streams are whole", what=what, key=key)


def _streams_wait_for_their_consumers(told: HistoryTold) -> Iterator[Violation]:
    for key, it in told.inputs.items():
        for last in it.yielded:
            made = sum(each.count for each in it.yielded if each.attempt == last.attempt and each.at <= last.at)
            seen = sum(each.count for each in it.items if each.attempt == last.attempt and each.at <= last.at)
            if made - seen > MOST_AHEAD:
                what = f"attempt {last.attempt} of {key} had made {made} items when its caller had {seen}"
                yield Violation(promise="streams wait for their consumers", what=what, key=key)
                break


def _no_outcome_is_fenced(told: HistoryTold) -> Iterator[Violation]:
    """An input is delivered again only when its attempt was given up; from then on that one's outcome is void."""
    for key, it in told.inputs.items():
        order = {began.attempt: place for place, began in enumerate(it.began)}
        for seen in it.seen:
            if seen.attempt is None or seen.attempt not in order:
                continue
            for later in it.began[order[seen.attempt] + 1 :]:
                if later.at < seen.at and not told.was_held_up(later, seen.attempt):
                    what = f"{key} has the outcome of attempt {seen.attempt}, after which attempt {later.attempt} began"
                    yield Violation(promise="no fenced outcome", what=what, key=key)


def _nothing_runs_after_its_end(told: HistoryTold) -> Iterator[Violation]:
    for key, it in told.inputs.items():
        for began in it.began:
            last = it.seen[0].attempt if it.seen else None
            was_held_up = told.was_held_up(began, began.attempt + 1 if last is None else last)
            if began.at > it.first_seen() and not was_held_up:
                what = f"{key} had its outcome, and attempt {began.attempt} began after that"
                yield Violation(promise="what has ended does not run again", what=what, key=key)


def _nothing_runs_twice_at_once(told: HistoryTold) -> Iterator[Violation]:
    for key, it in told.inputs.items():
        ends = {(offered.attempt, offered.container): offered.at for offered in it.offered}
        for place, later in enumerate(it.began):
            for earlier in it.began[:place]:
                ended = ends.get((earlier.attempt, earlier.container), NEVER)
                was_held_up = told.was_held_up(later, earlier.attempt)
                if ended > later.at and not was_held_up and not told.was_harmed(earlier.container, later.at):
                    what = (
                        f"attempt {later.attempt} of {key} began in {later.container} while attempt {earlier.attempt} ran in "
                        f"{earlier.container}, to which nothing had been done"
                    )
                    yield Violation(promise="one attempt at a time", what=what, key=key)


def _finished_work_is_not_done_again(told: HistoryTold) -> Iterator[Violation]:
    """A container keeps an outcome until the caller has it: while nothing was done to that container, there is no reason to run
    the input again."""
    for key, it in told.inputs.items():
        function = told.functions.get(it.submitted.function)
        timeout = NEVER if function is None else function.timeout
        begins = {began.attempt: began.at for began in it.began}
        for offered in it.offered:
            # One that took too long has timed out, whatever it still gives.
            is_late = offered.at - begins.get(offered.attempt, offered.at) >= timeout
            if offered.kind is not OutcomeKind.SUCCESS or is_late:
                continue
            for began in it.began:
                was_held_up = told.was_held_up(began, offered.attempt)
                if began.at > offered.at and not was_held_up and not told.was_harmed(offered.container, began.at):
                    what = (
                        f"{key} succeeded in {offered.container}, to which nothing had been done, and attempt {began.attempt} "
                        "began after that"
                    )
                    yield Violation(promise="finished work is not done again", what=what, key=key)


def _at_most_once_is_not_twice(told: HistoryTold) -> Iterator[Violation]:
    for key, it in told.inputs.items():
        function = told.functions.get(it.submitted.function)
        if function is not None and function.at_most_once and len(it.began) > 1:
            what = f"{key} ran {len(it.began)} times: attempts {', '.join(str(began.attempt) for began in it.began)}"
            yield Violation(promise="at most once", what=what, key=key)


def _only_the_cancelled_are(told: HistoryTold) -> Iterator[Violation]:
    for key, it in told.inputs.items():
        for seen in it.seen:
            if seen.kind is OutcomeKind.CANCELLED and it.cancelled_at > seen.at:
                what = f"{key} ended as cancelled, and nobody had asked for that: {seen.text}"
                yield Violation(promise="only the cancelled", what=what, key=key)


def _no_innocent_is_condemned(told: HistoryTold) -> Iterator[Violation]:
    """An input that is in one container after the other that dies looks like what kills them. One with fewer bad days does not.

    One that may not run twice is lost with its container, and also with a server that may have sent it to one."""
    for key, it in told.inputs.items():
        name = it.submitted.function
        function = told.functions.get(name)
        for seen in it.seen:
            if seen.kind is not OutcomeKind.LOST:
                continue
            if function is not None and function.at_most_once:
                if not any(
                    at <= seen.at and told.function_of.get(who, name) == name for who, at in told.harmed.items()
                ):
                    what = f"{key} ended as lost, and nothing had been done to any container or server: {seen.text}"
                    yield Violation(promise="no innocent is condemned", what=what, key=key)
                continue
            deaths = {
                who for at, who in told.deaths if it.submitted.at <= at <= seen.at and told.function_of.get(who) == name
            }
            # What a consumer has of a stream cannot be taken back: it does not begin again.
            if len(deaths) < (1 if it.yielded else DEATHS_THAT_CONDEMN):
                what = f"{key} ended as lost after {len(deaths)} containers had: {seen.text}"
                yield Violation(promise="no innocent is condemned", what=what, key=key)


def _bounds_are_kept(told: HistoryTold) -> Iterator[Violation]:
    """Of a function live no more containers than may, and in each run no more inputs. What was harmed does not count: the
    platform may have given it up."""
    live: dict[str, dict[str, None]] = defaultdict(dict)
    running: dict[str, dict[int, int]] = defaultdict(dict)
    batches: Counter[tuple[str, int]] = Counter()
    for event in told.events:
        match event:
            case ContainerBegan():
                here = live[event.function]
                here[event.container] = None
                bound = told.functions.get(event.function)
                unharmed = [name for name in here if not told.was_harmed(name, event.at)]
                if bound is not None and len(unharmed) > bound.max_containers:
                    what = f"{event.function} may have {bound.max_containers} containers, and has {', '.join(unharmed)}"
                    yield Violation(promise="containers <= max_containers", what=what)
            case ContainerVanished():
                live[told.function_of.get(event.container, "")].pop(event.container, None)
            case AttemptBegan():
                inside = running[event.container]
                inside[event.attempt] = event.batch or event.attempt
                bound = told.functions.get(told.function_of.get(event.container, ""))
                batches[event.container, event.batch] += 1
                if bound is not None and event.batch and batches[event.container, event.batch] > bound.max_batch:
                    what = f"a batch of {bound.max_batch} at most in {event.container} got attempt {event.attempt}, too"
                    yield Violation(promise="batches <= max_batch_size", what=what)
                if bound is not None and len(set(inside.values())) > bound.max_inputs:
                    what = f"{event.container} may run {bound.max_inputs} inputs, and runs attempts {list(inside)}"
                    yield Violation(promise="running <= max_inputs", what=what)
            case OutcomeOffered():
                running[event.container].pop(event.attempt, None)
            case _:
                pass


def told_of(key: str, events: Iterable[Event]) -> list[Event]:
    """The events about one input, with those meanwhile about containers that it was in, about its client and the server."""
    events = list(events)
    containers = {event.container for event in events if isinstance(event, ContainerBegan)}
    own = {event.container for event in events if isinstance(event, AttemptBegan) and event.key == key}
    moments = [event.at for event in events if getattr(event, "key", "") == key]
    first, last = min(moments, default=0.0) - AROUND, max(moments, default=0.0) + AROUND
    found: list[Event] = []
    for event in events:
        about = getattr(event, "container", None) or getattr(event, "target", None)
        is_meanwhile = about in own or (first <= event.at <= last and about not in containers)
        if getattr(event, "key", key) == key and is_meanwhile and not isinstance(event, BoundsDeclared):
            found.append(event)
    return found


def report(events: Sequence[Event], violations: Sequence[Violation]) -> str:
    """Each violation with the events of its input; a few of them, if there are many."""
    parts = []
    for violation in violations[:5]:
        about = told_of(violation.key, events) if violation.key else events[-40:]
        parts.append("\n".join([f"{violation.promise}: {violation.what}", *map(described, about)]))
    if len(violations) > 5:
        parts.append(f"and {len(violations) - 5} more: {sorted({each.promise for each in violations[5:]})}")
    return "\n\n".join(parts)


def main() -> int:
    """Check the history in the file that is named; 1 if a promise was broken."""
    events = loaded(Path(sys.argv[1]).read_bytes())
    violations = check(events)
    print(report(events, violations) if violations else f"{len(events)} events, and every promise was kept")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
