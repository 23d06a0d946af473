-- name: take
-- One token of a site's bucket, and if there is none, the seconds until there is. $1 site, $2 most tokens, $3 tokens per
-- second. The row is locked while it is counted, so that gateways share it; it never counts time twice.
with taken as (
    insert into extraction_buckets as b (site, tokens, at) values ($1, $2::float8 - 1, clock_timestamp())
    on conflict (site) do update
    set tokens = least($2, b.tokens + greatest(0, extract(epoch from excluded.at - b.at)::float8) * $3::float8) - 1,
        at = greatest(b.at, excluded.at)
    where least($2, b.tokens + greatest(0, extract(epoch from excluded.at - b.at)::float8) * $3) >= 1
    returning b.site
)
select true as granted, 0::float8 as wait from taken
union all
select false, greatest(0, 1 - b.tokens - extract(epoch from clock_timestamp() - b.at)::float8 * $3) / $3
from extraction_buckets b
where b.site = $1 and not exists (select from taken)
