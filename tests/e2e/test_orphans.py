"""Processes that a container adopts: collected when they end, beside those that its code waits for."""

from __future__ import annotations

from tests.e2e.programs.orphans import app, block_the_loop_beside_a_process, leave_processes


def test_adopted_processes_leave_no_zombies_and_nobody_takes_the_statuses_of_the_codes_own() -> None:
    with app.run():
        assert leave_processes.remote() == (4, [0, 1, 2, 3, 4, 5, 6, 7])
        assert block_the_loop_beside_a_process.remote() == 3
