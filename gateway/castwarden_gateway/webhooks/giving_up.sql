-- name: disable
-- The endpoints $1, for the reason $2, and what others are told of them.
update webhook_endpoints e set enabled = false, disabled_reason = $2, updated_at = now()
from tenants t
where e.id = any ($1::uuid[]) and e.enabled and t.id = e.tenant_id
returning e.id, e.tenant_id, e.url, e.disabled_reason, e.last_error, e.failing_since, t.namespace

-- name: failing
-- Endpoints that have failed now and then for $1 days without one success in between.
select id from webhook_endpoints
where failing_since is not null and enabled and retired_at is null
  and last_error_at >= failing_since + make_interval(days => $1)
order by id for update skip locked
