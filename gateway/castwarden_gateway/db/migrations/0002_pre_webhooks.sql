-- Who wants events, what is still to be delivered, and what became of each attempt.

create table webhook_endpoints (
    id uuid primary key,
    tenant_id uuid not null references tenants on delete cascade,
    url text not null,
    events text[] not null, -- types and wildcards
    description text not null default '',
    profile text not null,
    payload text not null,
    retry text not null,
    timeout_seconds real not null,
    max_in_flight int not null,
    secret bytea, -- sealed by the keyring; null: signed with the tenant's signing key
    resource_uid text, -- the Monitor whose webhookUrl this is; null: any resource of the tenant
    enabled boolean not null default true,
    disabled_reason text,
    paused_until timestamptz, -- the receiver asked for a rest
    retired_at timestamptz, -- its Monitor is gone: what is queued still goes out, nothing new comes in
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    check (secret is not null or resource_uid is not null)
);
create index webhook_endpoints_by_tenant on webhook_endpoints (tenant_id, id desc);
create index webhook_endpoints_unbound on webhook_endpoints (tenant_id) where resource_uid is null;
create unique index webhook_endpoints_bound on webhook_endpoints (resource_uid) where retired_at is null;

-- Signs the deliveries of Monitors' webhookUrls, unless the installation has one key for all.
create table webhook_signing_keys (
    tenant_id uuid primary key references tenants on delete cascade,
    secret bytea not null, -- sealed by the keyring
    created_at timestamptz not null default now(),
    shown_at timestamptz
);

-- Only what is unfinished; a success deletes its row. `due_at` is when the row may be taken next: while it is leased
-- (`lease_owner` set) that is the end of the lease, so a lease that nobody ends needs no one to clean up after it.
-- No foreign keys: each insert would lock its endpoint's row, and transactions that report would wait for each other.
create table webhook_deliveries (
    tenant_id uuid not null,
    id uuid not null, -- UUIDv7: newest first is the order of this key
    event_id uuid not null,
    endpoint_id uuid not null,
    attempt int not null default 0, -- attempts made
    due_at timestamptz not null default now(),
    lease_owner uuid,
    last_status int,
    last_error text,
    created_at timestamptz not null default now(),
    primary key (tenant_id, id)
) with (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0.05
);
create index webhook_deliveries_due on webhook_deliveries (endpoint_id, due_at);

-- Given up after the last attempt, or because the endpoint was disabled. A person can recover them.
create table webhook_dead (
    tenant_id uuid not null,
    id uuid not null,
    event_id uuid not null,
    endpoint_id uuid not null,
    attempt int not null,
    last_status int,
    last_error text,
    created_at timestamptz not null,
    died_at timestamptz not null default now(),
    primary key (tenant_id, id)
);
create index webhook_dead_by_endpoint on webhook_dead (endpoint_id, created_at);

-- Append only, one partition per day (made and dropped by the gateway); the default takes what a wrong clock dates.
create table webhook_attempts (
    tenant_id uuid not null,
    delivery_id uuid not null,
    at timestamptz not null,
    event_id uuid not null,
    endpoint_id uuid not null,
    attempt int not null,
    outcome text not null, -- sent, failed, dead
    status int,
    ms int not null,
    error text, -- a short class: timeout, connect, status_500, ...
    detail text,
    response_headers jsonb not null default '{}',
    response_body bytea not null default '',
    delivery_created_at timestamptz not null,
    primary key (tenant_id, delivery_id, at)
) partition by range (at);
create index webhook_attempts_sent on webhook_attempts (endpoint_id, delivery_id desc) where outcome = 'sent';
create table webhook_attempts_other partition of webhook_attempts default;
