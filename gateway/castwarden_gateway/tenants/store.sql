-- name: insert_tenant
insert into tenants (id, slug, name, namespace, max_monitors)
values ($1, $2, $3, $4, $5)
on conflict do nothing
returning id, slug, name, namespace, max_monitors

-- name: tenant_by_slug
select id, slug, name, namespace, max_monitors from tenants where slug = $1

-- name: tenant_by_namespace
select id, slug, name, namespace, max_monitors from tenants where namespace = $1

-- name: tenants
select id, slug, name, namespace, max_monitors, created_at
from tenants
where ($1::uuid is null or id < $1)
order by id desc
limit $2

-- name: has_keys
select exists (select from api_keys where tenant_id = $1)

-- name: count_keys
select count(*) from api_keys
where tenant_id = $1 and revoked_at is null and (expires_at is null or expires_at > now())

-- name: insert_key
insert into api_keys (id, tenant_id, name, key_hash, key_prefix, scopes, rate_limit, rate_window_seconds, expires_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (key_hash) do nothing
returning *

-- name: remake_key
update api_keys set key_hash = $3, key_prefix = $4 where tenant_id = $1 and id = $2 and revoked_at is null
returning *

-- name: key_to_rotate
select *, expires_at <= now() as expired from api_keys where tenant_id = $1 and id = $2 and revoked_at is null
for update

-- name: replace_key
-- $4 seconds that it works on
update api_keys set expires_at = least(expires_at, now() + make_interval(secs => $4)), replaced_by = $3
where tenant_id = $1 and id = $2

-- name: key_by_hash
select k.id as key_id, k.name as key_name, k.key_prefix, k.scopes, k.rate_limit, k.rate_window_seconds, k.expires_at,
    t.id, t.slug, t.name, t.namespace, t.max_monitors
from api_keys k join tenants t on t.id = k.tenant_id
where k.key_hash = $1 and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())

-- name: keys
select id, name, key_prefix, scopes, rate_limit, rate_window_seconds, expires_at, replaced_by, last_used_at, created_at
from api_keys
where tenant_id = $1 and revoked_at is null and ($2::uuid is null or id < $2)
order by id desc
limit $3

-- name: revoke_key
update api_keys set revoked_at = now() where tenant_id = $1 and id = $2 and revoked_at is null
returning key_hash

-- name: touch_keys
update api_keys set last_used_at = now() where id = any($1::uuid[])
