-- name: claim
-- Takes a key that is new, expired, or left behind by a run that ended without an answer. A run keeps the operation's id.
-- $1 tenant; $2 digest; $3 method; $4 path; $5 hash of the request; $6 new id; $7 owner; $8 seconds of the lease
-- $9 seconds that a key lives
insert into idempotency_keys as k (tenant_id, digest, method, path, request_hash, operation_id, owner, lease_until)
values ($1, $2, $3, $4, $5, $6, $7, now() + make_interval(secs => $8))
on conflict (tenant_id, digest) do update
set request_hash = excluded.request_hash, owner = excluded.owner, lease_until = excluded.lease_until,
    operation_id = case when k.created_at < now() - make_interval(secs => $9) then $6 else k.operation_id end,
    effect = case when k.created_at < now() - make_interval(secs => $9) then null else k.effect end,
    created_at = case when k.created_at < now() - make_interval(secs => $9) then now() else k.created_at end,
    status = null, headers = '{}', body = '', sealed = false
where k.created_at < now() - make_interval(secs => $9)
   or (k.status is null and k.request_hash = excluded.request_hash
       and (k.lease_until <= now() or k.owner = excluded.owner))
returning operation_id, operation_id <> $6 as resumed

-- name: found
select request_hash, status, headers, body, sealed from idempotency_keys where tenant_id = $1 and digest = $2

-- name: renew
-- $1 tenants, $2 digests, $3 owners; $4 seconds
update idempotency_keys k set lease_until = now() + make_interval(secs => $4)
from unnest($1::uuid[], $2::bytea[], $3::uuid[]) as held (tenant_id, digest, owner)
where k.tenant_id = held.tenant_id and k.digest = held.digest and k.owner = held.owner and k.status is null

-- name: finish
-- Nothing when another run has taken over.
update idempotency_keys set status = $4, headers = $5, body = $6, sealed = $7
where tenant_id = $1 and digest = $2 and owner = $3
returning 1

-- name: release
update idempotency_keys set lease_until = now()
where tenant_id = $1 and digest = $2 and owner = $3 and status is null

-- name: prune
-- $1 seconds that a key lives; $2 most rows
delete from idempotency_keys where (tenant_id, digest) in (
    select tenant_id, digest from idempotency_keys
    where created_at < now() - make_interval(secs => $1)
    order by created_at limit $2
)

-- name: sealed_bodies
select tenant_id, digest, owner, body from idempotency_keys where sealed

-- name: reseal
update idempotency_keys set body = $4 where tenant_id = $1 and digest = $2 and owner = $3 and body = $5
