"""The layouts of Motet's schema in PostgreSQL, as steps from one to the next: a step that was released is never changed."""

from __future__ import annotations

_FIRST = """
CREATE TABLE motet.lease(
    term bigint PRIMARY KEY,
    holder text NOT NULL,
    expires_at timestamptz NOT NULL
);
INSERT INTO motet.lease VALUES(0, '', 'epoch');

-- A write of a term holds the row's key to its end, so that the next term waits for it; and when there is a next term, there is
-- no such row any more. Renewals change no key, and wait for nobody.
CREATE FUNCTION motet.fence(of_term bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM motet.lease WHERE term = of_term FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'term % is over', of_term USING ERRCODE = 'MT001';
    END IF;
    RETURN pg_current_xact_id()::text;
END
$$;

CREATE TABLE motet.deployments(
    name text,
    version bigint,
    made bigint GENERATED ALWAYS AS IDENTITY,
    serves boolean NOT NULL,
    view bytea NOT NULL,
    kept bytea NOT NULL,
    PRIMARY KEY(name, version)
);
CREATE INDEX deployments_serving ON motet.deployments(made) WHERE serves;

CREATE TABLE motet.schedules(app text, function text, kept bytea NOT NULL, PRIMARY KEY(app, function));

CREATE TABLE motet.tokens(only_one boolean PRIMARY KEY DEFAULT true CHECK(only_one), kept bytea NOT NULL);

CREATE TABLE motet.pieces(digest text PRIMARY KEY, size bigint NOT NULL, content bytea NOT NULL);
-- Source is compressed by nobody, and is read as a whole.
ALTER TABLE motet.pieces ALTER COLUMN content SET STORAGE EXTERNAL;
CREATE TABLE motet.bundles(digest text PRIMARY KEY, files bytea NOT NULL, claimed_until timestamptz NOT NULL);
"""

_JOURNAL = """
CREATE TABLE motet.calls(
    key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    call_id text NOT NULL UNIQUE,
    made_at float8 NOT NULL,
    principal bigint NOT NULL,
    idempotency bytea UNIQUE,
    kept bytea NOT NULL
);
CREATE INDEX calls_made ON motet.calls(made_at);

-- The inputs without an outcome, and no others: what a server reads when it starts.
CREATE TABLE motet.inputs(
    call bigint NOT NULL,
    place integer NOT NULL,
    submitted_at float8 NOT NULL,
    attempts bigint NOT NULL DEFAULT 0,
    retries bigint NOT NULL DEFAULT 0,
    lone_losses bigint NOT NULL DEFAULT 0,
    due_at float8 NOT NULL DEFAULT 0,
    last_attempt bigint NOT NULL DEFAULT 0,
    payload bytea NOT NULL,
    PRIMARY KEY(call, place)
);
CREATE TABLE motet.outcomes(
    call bigint NOT NULL,
    place integer NOT NULL,
    kind smallint NOT NULL,
    ended_at float8 NOT NULL,
    payload bytea NOT NULL,
    PRIMARY KEY(call, place)
);
CREATE TABLE motet.apps(number bigint GENERATED ALWAYS AS IDENTITY, app_id text PRIMARY KEY, kept bytea NOT NULL);
-- Pickles are hardly worth the time that compressing takes, and the length of what is not compressed is known unread.
ALTER TABLE motet.inputs ALTER COLUMN payload SET STORAGE EXTERNAL;
ALTER TABLE motet.outcomes ALTER COLUMN payload SET STORAGE EXTERNAL;
-- All rows of it go again soon: what they leave is to be cleared away long before it is a fifth of the table.
ALTER TABLE motet.inputs SET(autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
    autovacuum_vacuum_cost_delay = 0);
"""

_MEMBERS = """
-- Who is there, for people and for clients that look for the one that leads: who that is, is decided by `lease` alone.
CREATE TABLE motet.members(home text PRIMARY KEY, kept bytea NOT NULL, seen_at timestamptz NOT NULL);
CREATE TABLE motet.lease_length(only_one boolean PRIMARY KEY DEFAULT true CHECK(only_one), seconds float8 NOT NULL);
"""

_NOTICES = """
CREATE TABLE motet.notices(
    place bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    kept bytea NOT NULL
);
"""

_SEAL = """
CREATE TABLE motet.seal(only_one boolean PRIMARY KEY DEFAULT true CHECK(only_one), kept bytea NOT NULL);
"""

_STATE = """
CREATE TABLE motet.state_objects(
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Compared by its bytes, whatever the database's language is: names of an environment are found by how they begin.
    id text COLLATE "C" NOT NULL UNIQUE,
    principal bigint NOT NULL,
    made_at float8 NOT NULL,
    entries bigint NOT NULL DEFAULT 0,
    size bigint NOT NULL DEFAULT 0
);
CREATE TABLE motet.dict_entries(
    object bigint NOT NULL,
    hash bytea NOT NULL,
    name bytea NOT NULL,
    value bytea NOT NULL,
    PRIMARY KEY(object, hash)
);
ALTER TABLE motet.dict_entries ALTER COLUMN value SET STORAGE EXTERNAL;
"""

MIGRATIONS: tuple[str, ...] = (_FIRST, _JOURNAL, _NOTICES, _MEMBERS, _SEAL, _STATE)
"""By number, from 1. The table `lease` and the function `fence` stay as they are: a server of an older release finds by them
that it does not lead any more."""

NEWEST = len(MIGRATIONS)
