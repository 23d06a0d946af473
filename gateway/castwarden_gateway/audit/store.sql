-- name: begin
-- The time is the database's, so that pages and filters do not depend on the gateways' clocks.
insert into audit_log (
    id, tenant_id, key_id, key_name, key_prefix, key_tenant, action, kind, subject, route, client_address, user_agent,
    request_id, status
)
select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14
where not exists (select from audit_log where id = $1 and status is null)

-- name: finish
-- $1 ids, $2 statuses, $3 subjects of those that got one
update audit_log a set status = f.status, subject = coalesce(a.subject, f.subject)
from unnest($1::uuid[], $2::int[], $3::text[]) as f (id, status, subject)
where a.id = f.id and a.status is null

-- name: page
select id, at, action, kind, subject, route, status, key_id, key_name, key_prefix, key_tenant, client_address,
    user_agent, request_id
from audit_log
where tenant_id = $1
    and ($2::timestamptz is null or (at, id) < ($2, $3::uuid))
    and ($5::timestamptz is null or at >= $5)
    and ($6::timestamptz is null or at <= $6)
    and ($7::text is null or action = $7)
    and ($8::uuid is null or key_id = $8)
order by at desc, id desc
limit $4

-- name: prune
-- $1 days that an entry is kept; $2 most rows
delete from audit_log where (tenant_id, at, id) in (
    select tenant_id, at, id from audit_log where at < now() - make_interval(days => $1) order by at limit $2
)
