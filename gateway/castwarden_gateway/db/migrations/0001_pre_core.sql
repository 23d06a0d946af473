-- Tenants, keys, and what was seen of the resources. Kubernetes holds what is wanted; nothing here is desired state.

create table tenants (
    id uuid primary key,
    slug text not null unique,
    name text not null,
    namespace text not null unique, -- the one Kubernetes namespace that the tenant's resources live in
    max_monitors int not null default 1000,
    created_at timestamptz not null default now()
);

create table api_keys (
    id uuid primary key,
    tenant_id uuid not null references tenants on delete cascade,
    name text not null,
    key_hash text not null unique, -- SHA-256, hex; the key itself is shown once and kept nowhere
    key_prefix text not null,
    scopes text[] not null,
    rate_limit int,
    rate_window_seconds int,
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz,
    created_at timestamptz not null default now()
);
create index api_keys_by_tenant on api_keys (tenant_id, id desc);

-- One row per resource uid that a worker has begun on. A resource made again under its old name has a new uid.
create table resources (
    uid text primary key,
    tenant_id uuid not null references tenants on delete cascade,
    kind text not null,
    namespace text not null,
    name text not null,
    epoch int not null default 0, -- counts the workers that have begun on it; a lower one is late mail
    seq bigint not null default -1, -- of the newest snapshot taken in this epoch
    pod text not null default '', -- of the current worker
    state jsonb not null default '{}', -- our part of `status`, open episodes, what only workers need
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
) with (fillfactor = 70);
create index resources_by_name on resources (tenant_id, kind, name);

-- Reports taken, so that a repeat changes nothing. Pruned when no worker can still be repeating them.
create table reports (
    id uuid primary key,
    uid text not null,
    taken_at timestamptz not null default now()
);
create index reports_by_age on reports using brin (taken_at);

-- No foreign keys: every insert would lock its tenant's row, and transactions that report would meet there.
create table events (
    id uuid primary key, -- UUIDv7: sorts by time, and is the webhook-id of every delivery
    tenant_id uuid not null,
    type text not null,
    kind text not null,
    namespace text not null,
    name text not null,
    uid text not null,
    occurred_at timestamptz not null,
    data jsonb not null,
    metadata jsonb not null default '{}',
    source_url text not null default '', -- of the resource, for the Stream Tracker's envelope
    created_at timestamptz not null default now()
);
create index events_by_tenant on events (tenant_id, id desc);
create index events_by_type on events (tenant_id, type, id desc);
create index events_by_resource on events (tenant_id, name, id desc);

create table videos (
    id uuid primary key,
    tenant_id uuid not null references tenants on delete cascade,
    channel_uid text not null references resources on delete cascade,
    media_id text not null, -- YouTube's id, or the entry's own id in other feeds
    title text not null,
    url text not null,
    description text not null default '',
    thumbnail_url text,
    views bigint,
    published_at timestamptz,
    updated_at timestamptz,
    first_seen_at timestamptz not null default now(),
    last_seen_at timestamptz not null default now(),
    unique (channel_uid, media_id)
);
create index videos_by_date on videos (channel_uid, coalesce(published_at, first_seen_at) desc, id desc);

-- The finished file of a DownloadJob.
create table downloads (
    uid text primary key references resources on delete cascade,
    tenant_id uuid not null references tenants on delete cascade,
    media_id text not null,
    title text not null,
    path text not null,
    bytes bigint not null,
    sha256 text not null,
    completed_at timestamptz not null default now()
);

create table download_attempts (
    id uuid primary key,
    uid text not null references resources on delete cascade,
    client text not null,
    started_at timestamptz not null,
    finished_at timestamptz not null,
    error text
);
create index download_attempts_by_job on download_attempts (uid, started_at);
