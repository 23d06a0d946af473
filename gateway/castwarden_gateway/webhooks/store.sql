-- name: insert_endpoint
-- $3 the sealed secret, $4 the public key of one that signs with ed25519, $5 the other columns
insert into webhook_endpoints (
    id, tenant_id, secret, public_key, url, events, labels, filter, description, profile, payload, headers, header_names,
    client_certificate, certificate_info, retry, retry_waits, timeout_seconds, max_in_flight, rate_per_second, ordered
)
select $1, $2, $3, $4, url, events, labels, filter, description, profile, payload, headers, header_names,
       client_certificate, certificate_info, retry, retry_waits, timeout_seconds, max_in_flight, rate_per_second, ordered
from jsonb_populate_record(null::webhook_endpoints, $5)
on conflict (id) do update set url = excluded.url
returning *

-- name: endpoint
select * from webhook_endpoints where tenant_id = $1 and id = $2 and retired_at is null

-- name: lock_endpoint
select * from webhook_endpoints where tenant_id = $1 and id = $2 and retired_at is null for update

-- name: endpoints
select * from webhook_endpoints
where tenant_id = $1 and retired_at is null and ($2::uuid is null or id < $2)
order by id desc limit $3

-- name: update_endpoint
-- $3 columns; what is absent stays. Enabling forgets why it was disabled and any rest; another URL has not failed yet.
update webhook_endpoints e
set url = n.url, events = n.events, labels = n.labels, filter = n.filter, description = n.description,
    profile = n.profile, payload = n.payload, headers = n.headers, header_names = n.header_names,
    client_certificate = n.client_certificate, certificate_info = n.certificate_info, retry = n.retry,
    retry_waits = n.retry_waits, timeout_seconds = n.timeout_seconds, max_in_flight = n.max_in_flight,
    rate_per_second = n.rate_per_second, ordered = n.ordered, enabled = n.enabled,
    disabled_reason = case when n.enabled then null else coalesce(e.disabled_reason, 'by request') end,
    paused_until = case when $3::jsonb @> '{"enabled": true}' then null else e.paused_until end,
    resting_until = case when n.anew then null else e.resting_until end,
    failing_since = case when n.anew then null else e.failing_since end,
    last_error = case when n.anew then null else e.last_error end,
    last_error_at = case when n.anew then null else e.last_error_at end,
    updated_at = now()
from (
    select changed.*, changed.url <> o.url or $3::jsonb @> '{"enabled": true}' as anew
    from webhook_endpoints o cross join lateral jsonb_populate_record(o, $3::jsonb) changed
    where o.tenant_id = $1 and o.id = $2 and o.retired_at is null
) n
where e.id = n.id
returning e.*

-- name: delete_endpoint
with gone as (
    delete from webhook_endpoints where tenant_id = $1 and id = $2 and retired_at is null returning id
), unsent as (
    delete from webhook_deliveries d using gone where d.endpoint_id = gone.id
), dead as (
    delete from webhook_dead d using gone where d.endpoint_id = gone.id
), turn as (
    delete from webhook_turns t using gone where t.endpoint_id = gone.id
), replays as (
    delete from webhook_replays r using gone where r.endpoint_id = gone.id
)
select id from gone

-- name: bind_endpoint
-- One endpoint per Monitor. Another URL is another receiver, so it starts enabled and rested.
insert into webhook_endpoints (id, tenant_id, resource_uid, url, events, description, profile, payload, retry,
                               timeout_seconds, max_in_flight)
values ($1, $2, $3, $4, '{*}', $5, 'timestamped', 'stream-tracker', 'standard', $6, $7)
on conflict (resource_uid) where retired_at is null do update
set url = excluded.url, enabled = true, disabled_reason = null, paused_until = null, resting_until = null,
    last_error = null, last_error_at = null, failing_since = null, updated_at = now()
where webhook_endpoints.url <> excluded.url

-- name: retire_endpoint
update webhook_endpoints set retired_at = now() where resource_uid = $1 and retired_at is null

-- name: add_signing_key
insert into webhook_signing_keys (tenant_id, secret) values ($1, $2) on conflict (tenant_id) do nothing

-- name: signing_key
select secret, created_at, shown_at from webhook_signing_keys where tenant_id = $1

-- name: show_signing_key
update webhook_signing_keys set shown_at = now() where tenant_id = $1 and shown_at is null
returning secret, created_at, shown_at

-- name: replace_signing_key
insert into webhook_signing_keys (tenant_id, secret, shown_at) values ($1, $2, now())
on conflict (tenant_id) do update set secret = excluded.secret, created_at = now(), shown_at = now()
returning secret, created_at, shown_at

-- name: deliveries
-- Newest first over the three places where a delivery can be. $2 endpoint, $3 states, $4 only older ids; null: any
with found as (
    (select d.id, d.event_id, d.endpoint_id, case d.attempt when 0 then 'pending' else 'failed' end as state,
            d.attempt, d.last_status as status, d.last_error as error, d.created_at,
            case when e.held_since is null or e.held_until is not null then
                greatest(d.due_at, e.paused_until, e.resting_until, e.held_until) end as next_attempt_at,
            d.lease_owner is not null and d.due_at > now() as in_flight,
            null::timestamptz as finished_at
     from webhook_deliveries d left join webhook_endpoints e on e.id = d.endpoint_id
     where d.tenant_id = $1 and ($2::uuid is null or d.endpoint_id = $2) and ($4::uuid is null or d.id < $4)
       and case d.attempt when 0 then 'pending' else 'failed' end = any ($3::text[])
     order by d.id desc limit $5)
    union all
    (select d.id, d.event_id, d.endpoint_id, 'dead', d.attempt, d.last_status, d.last_error, d.created_at,
            null, false, d.died_at
     from webhook_dead d
     where d.tenant_id = $1 and ($2::uuid is null or d.endpoint_id = $2) and ($4::uuid is null or d.id < $4)
       and 'dead' = any ($3)
     order by d.id desc limit $5)
    union all
    (select distinct on (a.delivery_id) a.delivery_id, a.event_id, a.endpoint_id, 'sent', a.attempt, a.status, a.error,
            a.delivery_created_at, null::timestamptz, false, a.at
     from webhook_attempts a
     where a.tenant_id = $1 and ($2::uuid is null or a.endpoint_id = $2) and ($4::uuid is null or a.delivery_id < $4)
       and a.outcome = 'sent' and 'sent' = any ($3)
     order by a.delivery_id desc, a.at desc limit $5)
)
select found.*, v.type as event_type
from found left join events v on v.id = found.event_id
order by found.id desc limit $5

-- name: delivery
with found as (
    select d.id, d.event_id, d.endpoint_id, case d.attempt when 0 then 'pending' else 'failed' end as state,
           d.attempt, d.last_status as status, d.last_error as error, d.created_at,
           case when e.held_since is null or e.held_until is not null then
               greatest(d.due_at, e.paused_until, e.resting_until, e.held_until) end as next_attempt_at,
           d.lease_owner is not null and d.due_at > now() as in_flight,
           null::timestamptz as finished_at, 1 as place
    from webhook_deliveries d left join webhook_endpoints e on e.id = d.endpoint_id where d.tenant_id = $1 and d.id = $2
    union all
    select d.id, d.event_id, d.endpoint_id, 'dead', d.attempt, d.last_status, d.last_error, d.created_at,
           null, false, d.died_at, 2
    from webhook_dead d where d.tenant_id = $1 and d.id = $2
    union all
    (select a.delivery_id, a.event_id, a.endpoint_id, 'sent', a.attempt, a.status, a.error,
            a.delivery_created_at, null, false, a.at, 3
     from webhook_attempts a
     where a.tenant_id = $1 and a.delivery_id = $2 and a.outcome = 'sent' order by a.at desc limit 1)
)
select found.*, v.type as event_type
from found left join events v on v.id = found.event_id
order by place limit 1

-- name: attempts
select attempt, at, outcome, status, ms, error, detail, response_headers, response_body
from webhook_attempts where tenant_id = $1 and delivery_id = $2
order by at

-- name: hasten
-- An unfinished delivery is due at once, unless it is under way. Returns whether it is unfinished.
with unfinished as (
    select tenant_id, id from webhook_deliveries where tenant_id = $1 and id = $2 for update
), due as (
    update webhook_deliveries d set due_at = now(), lease_owner = null
    from unfinished u
    where d.tenant_id = u.tenant_id and d.id = u.id and (d.lease_owner is null or d.due_at <= now())
)
select pg_notify($3, '') from unfinished

-- name: revive
-- The dead of an endpoint go back into the queue with all attempts before them. $2 endpoint, $3 since, $4 one delivery
with back as (
    delete from webhook_dead
    where tenant_id = $1 and endpoint_id = $2 and created_at >= $3 and ($4::uuid is null or id = $4)
    returning tenant_id, id, event_id, endpoint_id, created_at
), queued as (
    insert into webhook_deliveries (tenant_id, id, event_id, endpoint_id, created_at, position)
    select b.tenant_id, b.id, b.event_id, b.endpoint_id, b.created_at,
           case when b.ordered then nextval('webhook_positions') end
    from (select back.*, e.ordered from back left join webhook_endpoints e on e.id = back.endpoint_id order by back.id) b
    on conflict do nothing
)
select count(*) as revived, pg_notify($5, '') from back
