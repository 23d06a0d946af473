-- name: insert_events
insert into events (id, tenant_id, type, kind, namespace, name, uid, occurred_at, data, metadata, source_url)
select id, tenant_id, type, kind, namespace, name, uid, occurred_at, data, metadata, source_url
from jsonb_to_recordset($1::jsonb) as r (
    id uuid, tenant_id uuid, type text, kind text, namespace text, name text, uid text,
    occurred_at timestamptz, data jsonb, metadata jsonb, source_url text
)

-- name: page
select id, type, kind, namespace, name, uid, occurred_at, data, metadata
from events
where tenant_id = $1
    and ($2::uuid is null or id < $2)
    and ($4::text is null or type = $4)
    and ($5::text is null or starts_with(type, $5))
    and ($6::text is null or kind = $6)
    and ($7::text is null or name = $7)
    and ($8::text is null or uid = $8)
    and ($9::timestamptz is null or occurred_at >= $9)
    and ($10::timestamptz is null or occurred_at <= $10)
order by id desc
limit $3

-- name: event
select id, type, kind, namespace, name, uid, occurred_at, data, metadata
from events
where tenant_id = $1 and id = $2

-- name: prune
-- $1 ids below go, $2 at most of each tenant
with old as (
    select e.id from tenants t
    cross join lateral (select id from events where tenant_id = t.id and id < $1 order by id limit $2) e
), gone as (
    delete from events e using old where e.id = old.id returning e.id
)
select count(*) from gone
