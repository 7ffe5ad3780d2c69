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

MIGRATIONS: tuple[str, ...] = (_FIRST,)
"""By number, from 1. The table `lease` and the function `fence` stay as they are: a server of an older release finds by them
that it does not lead any more."""

NEWEST = len(MIGRATIONS)
