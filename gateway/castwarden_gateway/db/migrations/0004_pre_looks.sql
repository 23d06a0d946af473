-- What came last of an endpoint that fails, and until when it is left in peace for that.
alter table webhook_endpoints
    add column resting_until timestamptz,
    add column last_error text,
    add column last_error_at timestamptz;

-- The newest look of each Monitor's worker. Lost when PostgreSQL crashes; the next one comes within half a minute.
create unlogged table looks (
    uid text primary key,
    epoch int not null, -- of the worker that looked
    taken_at timestamptz not null,
    thumbnail bytea, -- JPEG; of an earlier look when the newest has none
    thumbnail_at timestamptz,
    strip jsonb not null, -- ten minutes in points of ten seconds
    updated_at timestamptz not null default now()
);
alter table looks alter column thumbnail set storage external; -- it is compressed already

-- How many extractions a site still gets from this installation: a token bucket each, and one for each namespace's half.
create unlogged table extraction_buckets (
    site text not null,
    namespace text not null, -- '' for the site as a whole
    tokens float8 not null,
    at timestamptz not null, -- when it was last asked for
    primary key (site, namespace)
);
