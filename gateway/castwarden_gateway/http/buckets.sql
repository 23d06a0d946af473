-- name: draw
-- Tokens out of their buckets as far as there are any; a negative wish gives some back. Not the buckets that are missing.
-- $1 keys; $2 how many each holds at most; $3 seconds in which so many come; $4 how many are wanted
with asked as (
    select * from unnest($1::uuid[], $2::float8[], $3::float8[], $4::float8[]) as asked (key, most, seconds, wanted)
), locked as materialized (
    select b.key, a.most, a.wanted,
           least(a.most, b.tokens + greatest(0, extract(epoch from now() - b.at)::float8) * a.most / a.seconds) as there
    from rate_buckets b join asked a on a.key = b.key
    order by b.key for update of b
), given as (
    select *, case when wanted <= 0 then wanted else greatest(0, floor(least(wanted, there))) end as given from locked
)
update rate_buckets b set tokens = least(g.most, g.there - g.given), at = greatest(b.at, now())
from given g where b.key = g.key
returning b.key, g.given, b.tokens as left

-- name: open
insert into rate_buckets (key, tokens, at) select *, now() from unnest($1::uuid[], $2::float8[]) order by 1
on conflict do nothing

-- name: prune
delete from rate_buckets where at < now() - interval '1 day'
