-- name: clock
select now()

-- name: rotate_secret
-- $3 the new secret, sealed, and $4 its public key; $5 the old ones and $6 when each stops
update webhook_endpoints
set secret = $3, public_key = $4, old_secrets = $5, old_until = $6, updated_at = now()
where tenant_id = $1 and id = $2

-- name: pause
-- A pause that is made longer began when it began.
update webhook_endpoints
set held_since = case when held_until <= now() then now() else coalesce(held_since, now()) end, held_until = $3,
    updated_at = now()
where tenant_id = $1 and id = $2 and retired_at is null
returning *

-- name: resume
update webhook_endpoints set held_since = null, held_until = null, updated_at = now()
where tenant_id = $1 and id = $2 and retired_at is null
returning *
