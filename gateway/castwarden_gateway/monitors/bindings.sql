-- name: bound
-- Of the namespaces that are watched; of the others nobody here knows which Monitors there are.
select e.resource_uid, e.url
from webhook_endpoints e join tenants t on t.id = e.tenant_id
where e.resource_uid is not null and e.retired_at is null and ($1::text[] = '{}' or t.namespace = any($1))
