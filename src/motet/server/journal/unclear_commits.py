"""What has become of spawned inputs whose commit is unclear: whoever waits is answered when that is known."""

from __future__ import annotations

from collections.abc import Callable

from motet.core.events import InputsSubmitted
from motet.errors import Error, ServiceError
from motet.server.journal.keeper import JournalKeeper
from motet.store.journal import JournalUnclear


def is_unclear(
    keeper: JournalKeeper, event: InputsSubmitted, error: Error | None, then: Callable[[Error | None], None]
) -> bool:
    """Whether it is unclear if a commit has kept these inputs: then `then` is told once that is known. What is refused must
    not be there: said once more it would count as accepted, and it would run when another server begins, and not before."""
    if not isinstance(error, JournalUnclear):
        return False
    indices = [each.index for each in event.inputs]

    def found(known: dict[int, bool] | Error) -> None:
        if isinstance(known, Error):  # the journal is gone again
            keeper.owe([], works)
        else:
            then(None if all(index in known for index in indices) else ServiceError(str(error)))

    def works(problem: Error | None) -> None:
        if problem is not None:
            then(problem)
        else:
            keeper.ask(lambda journal: journal.known(event.call_id, indices), found)

    keeper.owe([], works)
    return True
