-- name: bury
-- What waits for the endpoints $1, which are disabled, goes to the dead, where it can be recovered.
with disabled as (
    delete from webhook_deliveries d
    where d.endpoint_id = any ($1::uuid[]) and (d.lease_owner is null or d.due_at <= now())
    returning d.*
)
insert into webhook_dead (tenant_id, id, event_id, endpoint_id, attempt, last_status, last_error, created_at)
select d.tenant_id, d.id, d.event_id, d.endpoint_id, d.attempt, d.last_status, 'endpoint_disabled', d.created_at
from disabled d
on conflict do nothing

-- name: bury_unreachable
-- The same for what came in while its endpoint was being disabled; what waits for no endpoint at all goes away.
with unreachable as (
    delete from webhook_deliveries d
    where (d.lease_owner is null or d.due_at <= now())
      and not exists (select from webhook_endpoints e where e.id = d.endpoint_id and e.enabled)
    returning d.*
)
insert into webhook_dead (tenant_id, id, event_id, endpoint_id, attempt, last_status, last_error, created_at)
select d.tenant_id, d.id, d.event_id, d.endpoint_id, d.attempt, d.last_status, 'endpoint_disabled', d.created_at
from unreachable d join webhook_endpoints e on e.id = d.endpoint_id
on conflict do nothing

-- name: drop_retired
delete from webhook_endpoints e
where e.retired_at is not null and not exists (select from webhook_deliveries d where d.endpoint_id = e.id)

-- name: drop_old_secrets
update webhook_endpoints set old_secrets = '{}', old_until = '{}' where old_until <> '{}' and now() > all (old_until)

-- name: drop_turns
delete from webhook_turns t where not exists (select from webhook_endpoints e where e.id = t.endpoint_id)

-- name: drop_old_dead
delete from webhook_dead d
where d.died_at < now() - make_interval(days => $1)
   or not exists (select from webhook_endpoints e where e.id = d.endpoint_id)

-- name: partitions
select c.relname as name
from pg_inherits i join pg_class c on c.oid = i.inhrelid
where i.inhparent = 'webhook_attempts'::regclass

-- name: strays
-- Whether the default partition holds rows of a day ($1).
select exists (
    select from webhook_attempts_other
    where at >= $1::date::timestamp at time zone 'utc' and at < ($1::date + 1)::timestamp at time zone 'utc'
)

-- name: drop_old_strays
delete from webhook_attempts_other where at < now() - make_interval(days => $1)

-- name: queue
-- What waits for us. What waits for an endpoint that rests or is paused is no backlog of ours, and counted apart.
select count(*) filter (where not held) as due, count(*) filter (where held) as held,
       coalesce(extract(epoch from now() - min(due_at) filter (where not held)), 0)::float8 as oldest_seconds
from (
    select d.due_at, coalesce(greatest(e.paused_until, e.resting_until) > now(), false)
           or (e.held_since is not null and coalesce(e.held_until > now(), true)) as held
    from webhook_deliveries d left join webhook_endpoints e on e.id = d.endpoint_id
    where d.due_at <= now()
) due

-- name: drop_old_replays
delete from webhook_replays r
where r.finished_at < now() - make_interval(days => $1)
   or not exists (select from webhook_endpoints e where e.id = r.endpoint_id)

-- name: drop_old_tallies
delete from webhook_tallies t
where t.hour < now() - make_interval(days => $1)
   or not exists (select from webhook_endpoints e where e.id = t.endpoint_id)
