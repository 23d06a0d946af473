-- name: interested
-- Endpoints that may want one of the events. $1 tenants, $2 uids of the events' resources, $3 patterns of their types
select id, tenant_id, events, resource_uid from webhook_endpoints
where tenant_id = any ($1::uuid[]) and resource_uid is null and enabled and events && $3::text[]
union all
select id, tenant_id, events, resource_uid from webhook_endpoints
where resource_uid = any ($2::text[]) and retired_at is null and enabled and events && $3::text[]

-- name: enqueue
insert into webhook_deliveries (tenant_id, id, event_id, endpoint_id)
select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[])
