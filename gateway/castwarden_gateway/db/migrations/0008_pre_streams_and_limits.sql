-- Token buckets of API keys and of tenants, one for all gateways. Lost when PostgreSQL crashes: then they are full.
create unlogged table rate_buckets (
    key uuid primary key,
    tokens float8 not null,
    at timestamptz not null -- when it held that many
) with (fillfactor = 50);

-- Which transaction recorded an event. Ids are made before the commit, so they do not say what a reader has missed;
-- (xid, id) does, up to the oldest transaction that is still open. What is older than this column has 0.
alter table events add column xid xid8 not null default '0';
alter table events alter column xid set default pg_current_xact_id();
create index events_by_commit on events (tenant_id, xid, id);
