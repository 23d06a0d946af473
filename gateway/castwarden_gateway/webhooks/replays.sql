-- name: begin
insert into webhook_replays (id, tenant_id, endpoint_id, since, until, cursor) values ($1, $2, $3, $4, $5, $6)

-- name: running
select id from webhook_replays where endpoint_id = $1 and state = 'running'

-- name: replay
select * from webhook_replays where tenant_id = $1 and id = $2

-- name: replays
-- Newest first. $2 endpoint or null, $3 only older ids or null
select * from webhook_replays
where tenant_id = $1 and ($2::uuid is null or endpoint_id = $2) and ($3::uuid is null or id < $3)
order by id desc limit $4

-- name: cancel
update webhook_replays set state = 'cancelled', reason = 'by request', finished_at = now()
where tenant_id = $1 and id = $2 and state = 'running'

-- name: take
-- The one that has come least far of those that run, whose endpoints have fewer than $1 waiting and that no other
-- gateway is at.
select r.id, r.tenant_id, r.endpoint_id, r.until, r.cursor,
       e.enabled and e.retired_at is null as wanted, e.events, e.labels, e.filter, e.resource_uid
from webhook_replays r join webhook_endpoints e on e.id = r.endpoint_id
where r.state = 'running'
  and (select count(*) from (select from webhook_deliveries d where d.endpoint_id = r.endpoint_id limit $1) waiting) < $1
order by r.looked_at, r.id limit 1
for update of r skip locked

-- name: page
-- The next events of the tenant $1 after $2 and before $3
select id, type, kind, namespace, name, uid, occurred_at, data, metadata from events
where tenant_id = $1 and id > $2 and id < $3
order by id limit $4

-- name: missing
-- Which of the events $2 the endpoint $1 neither got, nor waits for, nor can recover; in their order
select u.id
from unnest($2::uuid[]) with ordinality as u (id, nth)
where not exists (select from webhook_attempts a where a.endpoint_id = $1 and a.event_id = u.id and a.outcome = 'sent')
  and not exists (select from webhook_dead d where d.endpoint_id = $1 and d.event_id = u.id)
  and u.id not in (select d.event_id from webhook_deliveries d where d.endpoint_id = $1)
order by u.nth

-- name: advance
-- $2 the last event looked at, $3 how many were, $4 how many of them are queued now
update webhook_replays set cursor = $2, looked_at = looked_at + $3, queued = queued + $4 where id = $1

-- name: finish
update webhook_replays set state = $2, reason = $3, finished_at = now() where id = $1
