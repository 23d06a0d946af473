-- What an endpoint can be set to, and what several gateways must know of it together.

alter table webhook_endpoints
    add column headers bytea, -- sealed by the keyring: they often carry a token
    add column header_names text[] not null default '{}',
    add column filter jsonb not null default '{}', -- a condition on the event's fields; {}: none
    add column labels jsonb not null default '{}', -- that the event's metadata must have
    add column rate_per_second float8 not null default 0, -- over all gateways; 0: no limit
    add column ordered boolean not null default false,
    add column retry_waits float8[], -- seconds before each further attempt, where `retry` is custom
    add column old_secrets bytea[] not null default '{}', -- sealed; they sign too until `old_until`
    add column old_until timestamptz[] not null default '{}',
    add column public_key text, -- of an endpoint that signs with ed25519
    add column client_certificate bytea, -- sealed: a certificate with its key, in PEM
    add column certificate_info jsonb, -- what may be shown of it
    add column held_since timestamptz, -- paused by a person
    add column held_until timestamptz, -- null: until a person says so
    add column failing_since timestamptz; -- the first failure after the last success

-- Endpoints that are ordered or have a rate are claimed by turns. No foreign keys, as for deliveries.
create index webhook_endpoints_by_turns on webhook_endpoints (id) where (ordered or rate_per_second > 0) and enabled;

create table webhook_turns (
    endpoint_id uuid primary key,
    tenant_id uuid not null,
    owner uuid not null, -- the gateway process that had the last turn; of an ordered endpoint nobody else has one
    until timestamptz not null, -- unless it is over
    tokens float8 not null, -- deliveries that the rate still allows, as of `at`
    granted int not null, -- of them, how many the last turn took
    at timestamptz not null
) with (fillfactor = 50);

-- Deliveries of ordered endpoints have a position; the others have none and pay nothing for it.
create sequence webhook_positions;
alter table webhook_deliveries add column position bigint;
create index webhook_deliveries_in_order on webhook_deliveries (endpoint_id, position) where position is not null;

call wall_off('webhook_turns');
