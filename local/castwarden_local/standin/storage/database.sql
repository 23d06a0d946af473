-- SPDX-License-Identifier: Apache-2.0
-- name: schema
CREATE TABLE IF NOT EXISTS standin_objects (
    resource  text   NOT NULL,
    namespace text   NOT NULL,
    name      text   NOT NULL,
    revision  bigint NOT NULL,
    body      text   NOT NULL,
    PRIMARY KEY (resource, namespace, name)
);
CREATE TABLE IF NOT EXISTS standin_history (
    revision  bigint PRIMARY KEY,
    resource  text NOT NULL,
    namespace text NOT NULL,
    name      text NOT NULL,
    type      text NOT NULL,
    body      text NOT NULL
);
CREATE TABLE IF NOT EXISTS standin_state (
    one       boolean PRIMARY KEY DEFAULT true CHECK (one),
    revision  bigint NOT NULL,
    compacted bigint NOT NULL,
    owner     text   NOT NULL DEFAULT ''
);
INSERT INTO standin_state (revision, compacted) VALUES (1, 1) ON CONFLICT DO NOTHING;

-- name: lock
-- Held by the session for as long as it lives: two stand-ins on one database would hand out the same revisions.
SELECT pg_try_advisory_lock(hashtext('castwarden-standin'));

-- name: own
-- Whoever reconnects finds out here whether somebody else had the database in the meantime.
UPDATE standin_state SET owner = $1 RETURNING revision, compacted;

-- name: owner
SELECT owner FROM standin_state;

-- name: objects
SELECT resource, namespace, name, revision, body FROM standin_objects ORDER BY resource, namespace, name;

-- name: history
SELECT revision, resource, namespace, name, type, body FROM standin_history ORDER BY revision;

-- name: commit
-- One round trip for a whole batch, and harmless when repeated after a connection was lost in the middle of it.
WITH changes AS (
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
        AS change (revision, resource, namespace, name, type, body)
), remembered AS (
    INSERT INTO standin_history (revision, resource, namespace, name, type, body)
    SELECT revision, resource, namespace, name, type, body FROM changes
    ON CONFLICT DO NOTHING
), latest AS (
    SELECT DISTINCT ON (resource, namespace, name) * FROM changes ORDER BY resource, namespace, name, revision DESC
), removed AS (
    DELETE FROM standin_objects AS object USING latest
    WHERE latest.type = 'DELETED' AND object.resource = latest.resource
        AND object.namespace = latest.namespace AND object.name = latest.name
), written AS (
    INSERT INTO standin_objects AS object (resource, namespace, name, revision, body)
    SELECT resource, namespace, name, revision, body FROM latest WHERE type <> 'DELETED'
    ON CONFLICT (resource, namespace, name) DO UPDATE SET revision = excluded.revision, body = excluded.body
        WHERE object.revision < excluded.revision
)
UPDATE standin_state SET revision = greatest(revision, $7::bigint);

-- name: compact
WITH forgotten AS (DELETE FROM standin_history WHERE revision <= $1)
UPDATE standin_state SET compacted = greatest(compacted, $1);
