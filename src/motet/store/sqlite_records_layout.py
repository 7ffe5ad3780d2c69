"""How records lie in an SQLite file."""

from __future__ import annotations

from motet.store import sqlite_arguments, sqlite_facts
from motet.store.sqlite_layout import SqliteLayout

VERSION = 2
"""Goes up with every change of the schema, or of what is encoded in it: a Motet reads what one of its
own format or an earlier one wrote."""

_SCHEMA = f"""
CREATE TABLE apps(app_id TEXT PRIMARY KEY, name TEXT, started_at REAL, ended_at REAL);
CREATE TABLE functions(key INTEGER PRIMARY KEY, function_id TEXT UNIQUE, app_id TEXT, name TEXT, max_inputs INTEGER,
    target_inputs INTEGER, variant_of TEXT);
CREATE TABLE containers(key INTEGER PRIMARY KEY, container_id TEXT UNIQUE, function_id TEXT, wanted_at REAL,
    started_at REAL, reason TEXT, connected_at REAL, loaded_at REAL, ready_at REAL, ended_at REAL, ending TEXT);
CREATE TABLE calls(key INTEGER PRIMARY KEY, call_id TEXT UNIQUE, function INTEGER, kind INTEGER, method TEXT,
    submitted_at REAL, parent TEXT, ended_at REAL NOT NULL DEFAULT 0, first_chunk INTEGER, last_chunk INTEGER,
    succeeded INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0, timed_out INTEGER NOT NULL DEFAULT 0,
    cancelled INTEGER NOT NULL DEFAULT 0, lost INTEGER NOT NULL DEFAULT 0);
CREATE INDEX calls_of_function ON calls(function, submitted_at);
CREATE INDEX calls_of_input ON calls(parent) WHERE parent IS NOT NULL;
CREATE TABLE chunks(key INTEGER PRIMARY KEY, function INTEGER, call INTEGER, first_index INTEGER, last_index INTEGER,
    first_ended REAL, last_ended REAL, kinds INTEGER, containers TEXT, count INTEGER, clock REAL, first_call TEXT,
    last_call TEXT, calls BLOB, others TEXT, data BLOB);
CREATE INDEX chunks_of_function ON chunks(function, last_ended);
CREATE INDEX chunks_of_calls ON chunks(first_call, last_call) WHERE first_call IS NOT NULL;
{sqlite_facts.SCHEMA}CREATE TABLE segments(number INTEGER PRIMARY KEY, first_position INTEGER NOT NULL);
CREATE TABLE blocks(number INTEGER PRIMARY KEY, earliest REAL NOT NULL, latest REAL NOT NULL);
"""

_WITH_LEVELS = "ALTER TABLE containers ADD COLUMN isolation TEXT NOT NULL DEFAULT '';"

LAYOUT = SqliteLayout(
    what="records",
    steps={1: _SCHEMA, VERSION: _WITH_LEVELS},
    advice="See that its directory can be written; free some space there, or keep records for a shorter time",
    loss="what it tells of is not known any more",
    beside=sqlite_arguments.SCHEMA,
    # The log is synced at checkpoints alone.
    is_durable=False,
    cache=1 << 26,
    mapped=1 << 30,
)
