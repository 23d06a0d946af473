-- name: keep
-- The newest look of the current worker wins; one without a picture leaves the last picture. Gives the epoch of the
-- current worker, if there is one. $1 uid, $2 epoch, $3 taken at, $4 JPEG or null, $5 strip, $6 tenant
with current as (
    select epoch from resources where uid = $1
), kept as (
    insert into looks (uid, epoch, taken_at, thumbnail, thumbnail_at, strip, tenant_id)
    select $1, $2, $3, $4, case when $4::bytea is not null then $3::timestamptz end, $5, $6
    where not exists (select from current where epoch > $2)
    on conflict (uid) do update
    set epoch = excluded.epoch, taken_at = excluded.taken_at, strip = excluded.strip, updated_at = now(),
        tenant_id = excluded.tenant_id,
        thumbnail = coalesce(excluded.thumbnail, looks.thumbnail),
        thumbnail_at = coalesce(excluded.thumbnail_at, looks.thumbnail_at)
    where (looks.epoch, looks.taken_at) < (excluded.epoch, excluded.taken_at)
)
select epoch from current

-- name: thumbnail
select thumbnail, thumbnail_at as at from looks where uid = $1 and thumbnail is not null

-- name: thumbnail_at
select thumbnail_at from looks where uid = $1 and thumbnail is not null

-- name: measurements
select taken_at, strip from looks where uid = $1

-- name: drop
delete from looks where uid = any($1::text[])

-- name: prune
-- Of resources that went away while no gateway looked, or that nobody watches any more.
delete from looks where updated_at < now() - $1::interval
