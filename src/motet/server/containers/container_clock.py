"""The clock of a container's machine, as the server sees it: where moments that containers tell are put on the server's."""

from __future__ import annotations

from motet.model.outcome import AttemptEnd
from motet.wire.output_messages import Stalled


class ContainerClock:
    """Corrects moments. The server asks with the container's configuration at `asked`; until `told` nothing is corrected."""

    def __init__(self, asked: float) -> None:
        self._asked = asked
        self.behind = 0.0
        """Seconds that are to be added to the container's moments."""

    def told(self, moment: float, heard: float) -> None:
        """The container's clock said `moment`, which the server heard at `heard`.

        A moment between question and answer may be of the server's own clock, and on one machine it is. Nothing is corrected
        then: an estimate would be less exact.
        """
        if not self._asked <= moment <= heard:
            self.behind = (self._asked + heard) / 2 - moment

    def ends(self, ends: list[AttemptEnd]) -> list[AttemptEnd]:
        """The same on the server's clock; 0 stays what it is, for nobody looked."""
        return [
            AttemptEnd(it.attempt, it.kind, it.payload, self._moved(it.began), self._moved(it.finished)) for it in ends
        ]

    def stall(self, stall: Stalled) -> Stalled:
        """The same on the server's clock."""
        began, ended = stall.began + self.behind, stall.ended + self.behind
        return Stalled(stall.call_id, stall.index, began, ended, stall.what)

    def _moved(self, moment: float) -> float:
        return moment + self.behind if moment else 0.0
