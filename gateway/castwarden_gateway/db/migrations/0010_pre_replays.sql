-- Replays: what an endpoint never got of the past is queued, page by page. No foreign keys, as for deliveries.
create table webhook_replays (
    id uuid primary key,
    tenant_id uuid not null,
    endpoint_id uuid not null,
    since timestamptz not null,
    until timestamptz not null,
    state text not null default 'running', -- running, completed, cancelled
    reason text, -- why it was cancelled
    cursor uuid not null, -- the last event looked at
    looked_at bigint not null default 0, -- events
    queued bigint not null default 0,
    created_at timestamptz not null default now(),
    finished_at timestamptz
);
create index webhook_replays_by_tenant on webhook_replays (tenant_id, id desc);
create index webhook_replays_by_endpoint on webhook_replays (endpoint_id, id desc);
create unique index webhook_replays_running on webhook_replays (endpoint_id) where state = 'running';
call wall_off('webhook_replays');

-- Whether an endpoint has had an event.
create index webhook_attempts_arrived on webhook_attempts (endpoint_id, event_id) where outcome = 'sent';
create index webhook_dead_by_event on webhook_dead (endpoint_id, event_id);

-- What came of an endpoint's attempts, hour by hour: counted in each gateway and added up here every few seconds.
create table webhook_tallies (
    tenant_id uuid not null,
    endpoint_id uuid not null,
    hour timestamptz not null,
    outcome text not null, -- sent, failed, dead
    error text not null, -- its class; empty: none
    attempts bigint not null,
    ms bigint not null, -- all of them together
    buckets bigint[] not null, -- attempts by how long they took; see tallies.py
    primary key (endpoint_id, hour, outcome, error)
) with (fillfactor = 70);
call wall_off('webhook_tallies');
