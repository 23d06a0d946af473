-- Token buckets of API keys and of tenants, one for all gateways. Lost when PostgreSQL crashes: then they are full.
create unlogged table rate_buckets (
    key uuid primary key,
    tokens float8 not null,
    at timestamptz not null -- when it held that many
) with (fillfactor = 50);
