"""What is broken on purpose is found: a world that finds nothing may be blind. Each fault breaks one thing in Motet itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from motet.testing.history import check
from motet.testing.simulated.plan import FaultKind, WorldPlan
from motet.testing.simulated.world import history_of
from tests.worlds import planted, planted_hosts, planted_leaders, planted_schedules

RESTARTS = WorldPlan(
    clients=2,
    calls=20,
    spawns=False,
    faults=("server crashes", "server crashes", "agent dies", "container is cut off", "agent is held up"),
    pause=1.0,
    seconds=30.0,
    latency=(0.0, 0.001, 0.02),
)
SLOW_CLIENTS = WorldPlan(
    clients=2,
    calls=20,
    spawns=False,
    faults=("server crashes", "client is held up"),
    pause=0.5,
    seconds=30.0,
    latency=(0.0, 0.001, 0.02),
)
SLOW_CONNECTIONS = WorldPlan(
    clients=2,
    calls=30,
    spawns=False,
    faults=("connection is held up",),
    pause=0.2,
    seconds=30.0,
    latency=(0.0, 0.001, 0.02),
)


def durable(pause: float, *faults: FaultKind) -> WorldPlan:
    return WorldPlan(
        clients=2, calls=20, spawns=True, faults=faults, pause=pause, seconds=20.0, latency=(0.0, 0.001, 0.02)
    )


CRASHES = durable(0.3, "server crashes")
BROKEN_DISKS = durable(0.2, "server crashes", "disk fails", "container dies", "agent dies")
REPLACEMENTS = durable(4.0, "server is replaced")
CUTS = durable(0.2, "client is cut off")
LOST_ANSWERS = replace(
    durable(0.15, "server crashes", "client is cut off", "client is cut off", "client is held up"), latency=(0.001, 0.3)
)
DEATHS = durable(0.1, "container dies", "container is cut off", "container is cut off")


def scheduled(seconds: float, pause: float, *faults: FaultKind) -> WorldPlan:
    return replace(durable(pause, *faults), clients=1, calls=2, seconds=seconds, latency=(0.0,), schedules=True)


AWAY = scheduled(120.0, 15.0, "server is away")
UNWRITABLE = scheduled(125.0, 3.0, "disk fails")
CALM = scheduled(20.0, 10.0)
UNCLEAR = scheduled(20.0, 1.0, "commit is unclear")
CUT_HOSTS = replace(durable(5.0, "host is cut off"), seconds=60.0)
CUT_LEADERS = replace(durable(3.0, "leader is cut off"), calls=30, seconds=30.0)
MOST_SEEDS = 20

TABLE = [
    (planted.agents_forget_how_many_servers_there_were, RESTARTS, "one attempt at a time"),
    (planted.containers_forget_what_they_run, RESTARTS, "one attempt at a time"),
    (planted.outcomes_are_acknowledged_before_their_callers_have_them, SLOW_CLIENTS, "finished work is not done again"),
    (planted.clients_are_let_in_before_containers_are_back, RESTARTS, "one attempt at a time"),
    (planted.containers_that_come_back_are_forgotten, RESTARTS, "containers <= max_containers"),
    (planted.clients_do_not_say_that_they_ask_again, RESTARTS, "at most once"),
    (planted.stale_outcomes_are_accepted, SLOW_CONNECTIONS, "no fenced outcome"),
    (planted.the_disk_says_that_it_has_synced_and_has_not, CRASHES, "no acknowledged spawn is lost"),
    (planted.spawns_are_acknowledged_before_the_commit, CRASHES, "no acknowledged spawn is lost"),
    (planted.outcomes_are_told_before_the_commit, BROKEN_DISKS, "what has ended does not run again"),
    (planted.journals_forget_who_leads, REPLACEMENTS, "no fenced outcome"),
    (planted.kept_inputs_do_not_join_what_runs, CRASHES, "one attempt at a time"),
    (planted.conversations_are_taken_up_at_a_wrong_number, CUTS, "accepted = ended"),
    (planted.conversations_end_with_their_connections, CUTS, "conversations outlive connections"),
    (planted.attempts_go_to_two_containers, CUTS, "one attempt at a time"),
    (planted.journals_mix_outcomes_up, CUTS, "right results"),
    (planted.what_is_kept_is_not_looked_up_again, LOST_ANSWERS, "finished work is not done again"),
    (planted.containers_forget_outcomes_at_once, RESTARTS, "finished work is not done again"),
    (planted.streams_begin_again_elsewhere, DEATHS, "streams are whole"),
    (planted.items_count_as_taken_when_they_are_sent, SLOW_CLIENTS, "streams wait for their consumers"),
    (planted.of_items_that_come_together_some_are_left_out, SLOW_CLIENTS, "streams are whole"),
    (planted.batches_are_one_larger_than_they_may_be, CUTS, "batches <= max_batch_size"),
    (planted.members_of_batches_get_each_others_outcomes, CUTS, "right results"),
    (planted.batches_come_back_one_by_one, RESTARTS, "nothing breaks"),
    (planted_leaders.attempts_leave_before_the_journal_knows_of_them, CUT_LEADERS, "at most once"),
    (planted.journals_forget_who_leads, CUT_LEADERS, "no fenced outcome"),
    (planted.spawns_are_acknowledged_before_the_commit, CUT_LEADERS, "no acknowledged spawn is lost"),
    (planted.outcomes_are_told_before_the_commit, CUT_LEADERS, "results stay the same"),
    (planted.clients_do_not_say_that_they_ask_again, CUT_LEADERS, "at most once"),
    (planted_schedules.what_could_not_be_run_counts_as_run, UNWRITABLE, "moments are run"),
    (planted_schedules.missed_moments_are_not_made_up_for, AWAY, "what is missed runs once"),
    (planted_schedules.missed_moments_are_made_up_for, AWAY, "what is missed is skipped"),
    (planted_schedules.runs_begin_beside_each_other, CALM, "runs do not overlap"),
    (planted_schedules.moments_come_too_early, CALM, "not before their moments"),
    (planted_schedules.each_server_has_calls_of_its_own_for_moments, CALM, "accepted = ended"),
    (planted_schedules.unclear_commits_are_taken_for_failed_ones, UNCLEAR, "no run is lost"),
    (planted_hosts.hosts_are_never_given_up, CUT_HOSTS, "what a lost host ran runs elsewhere"),
    (planted_hosts.inputs_are_blamed_for_the_hosts_that_they_were_on, CUT_HOSTS, "no innocent is condemned"),
    (planted_hosts.whatever_was_on_a_lost_host_runs_again, CUT_HOSTS, "at most once"),
]


@pytest.mark.parametrize(("plant", "plan", "promise"), TABLE, ids=[plant.__name__ for plant, _, _ in TABLE])
def test_a_planted_fault_is_found(
    plant: planted.Plant, plan: WorldPlan, promise: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(MOST_SEEDS):
        with monkeypatch.context() as patch:
            plant(patch)
            found = {each.promise for each in check(history_of(seed, plan).events)}
        if promise in found:
            assert check(history_of(seed, plan).events) == []
            return
    raise AssertionError(f"{MOST_SEEDS} worlds did not find that {plant.__name__.replace('_', ' ')}")
