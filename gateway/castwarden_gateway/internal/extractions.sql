-- name: take
-- One token of a site's bucket, and if there is none, the seconds until there is. $1 site, $2 namespace, $3 most tokens, $4
-- tokens per second. While others asked within the hour, a namespace also needs one of its own, of which it gets half as
-- many. No row when one of the two buckets is not there yet. Both are locked while they are counted, so that gateways
-- share them; no time is counted twice.
with asked as materialized (
    select namespace,
        least(case namespace when '' then $3::float8 else greatest(1, $3::float8 / 2) end,
            tokens + greatest(0, extract(epoch from clock_timestamp() - at)::float8)
                * $4::float8 / case namespace when '' then 1 else 2 end) as tokens
    from extraction_buckets where site = $1 and namespace in ('', $2)
    order by namespace for update
), judged as materialized (
    select whole.tokens >= 1 and (own.tokens >= 1 or not shared.it) as granted,
        greatest(0, (1 - whole.tokens) / $4, case when shared.it then (1 - own.tokens) * 2 / $4 end) as wait
    from asked whole, asked own, (
        select exists (
            select from extraction_buckets
            where site = $1 and namespace not in ('', $2) and at > clock_timestamp() - interval '1 hour'
        ) as it
    ) shared
    where whole.namespace = '' and own.namespace = $2
), kept as (
    update extraction_buckets b
    set tokens = greatest(0, asked.tokens - judged.granted::int), at = greatest(b.at, clock_timestamp())
    from asked, judged where b.site = $1 and b.namespace = asked.namespace
)
select granted, case when granted then 0 else wait end as wait from judged

-- name: begin
-- The buckets that `take` misses, full.
insert into extraction_buckets (site, namespace, tokens, at)
values ($1, '', $3::float8, clock_timestamp()), ($1, $2, greatest(1, $3::float8 / 2), clock_timestamp())
on conflict do nothing
