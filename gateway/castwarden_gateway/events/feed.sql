-- name: now
-- What commits from now on has this transaction id or a higher one.
select pg_snapshot_xmin(pg_current_snapshot())::text::bigint

-- name: position
select xid::text::bigint as xid, id from events where tenant_id = $1 and id = $2

-- name: nearest
-- For an event that is no longer there: the one before it.
select xid::text::bigint as xid, id from events where tenant_id = $1 and id < $2 order by id desc limit 1

-- name: after
-- What follows the positions of some tenants. `settled`: nothing that is still open can come before it.
-- $1 tenants; $2 xids and $3 ids of their positions; $4 most rows of each
select e.tenant_id, e.id, e.type, e.kind, e.namespace, e.name, e.uid, e.occurred_at, e.data, e.metadata,
       e.xid::text::bigint as xid, e.xid < pg_snapshot_xmin(pg_current_snapshot()) as settled
from unnest($1::uuid[], $2::bigint[], $3::uuid[]) as seen (tenant_id, xid, id)
cross join lateral (
    select * from events
    where tenant_id = seen.tenant_id and (xid, id) > (seen.xid::text::xid8, seen.id)
    order by xid, id limit $4
) e
order by e.tenant_id, e.xid, e.id

-- name: foreign_xids
-- Whether events carry transaction ids that this server has not given yet: they came with a dump from another.
select exists (
    select from tenants t
    cross join lateral (select xid from events where tenant_id = t.id order by xid desc, id desc limit 1) newest
    where newest.xid >= pg_snapshot_xmax(pg_current_snapshot())
)

-- name: adopt
update events set xid = '0' where xid >= pg_snapshot_xmax(pg_current_snapshot())
