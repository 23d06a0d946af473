-- name: interested
-- Endpoints that may want one of the events. $1 tenants, $2 uids of the events' resources, $3 patterns of their types
select id, tenant_id, events, resource_uid, filter, labels from webhook_endpoints
where tenant_id = any ($1::uuid[]) and resource_uid is null and enabled and events && $3::text[]
union all
select id, tenant_id, events, resource_uid, filter, labels from webhook_endpoints
where resource_uid = any ($2::text[]) and retired_at is null and enabled and events && $3::text[]

-- name: enqueue
-- In the order given; those of ordered endpoints get their positions by it.
insert into webhook_deliveries (tenant_id, id, event_id, endpoint_id, position)
select q.tenant_id, q.id, q.event_id, q.endpoint_id, case when q.ordered then nextval('webhook_positions') end
from (
    select u.tenant_id, u.id, u.event_id, u.endpoint_id, e.ordered
    from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[]) with ordinality
        as u (tenant_id, id, event_id, endpoint_id, nth)
    left join webhook_endpoints e on e.id = u.endpoint_id
    order by u.nth
) q
