-- name: claim
-- Endpoints first, then a few rows of each: a dead endpoint with a long queue must not fill the batch. The endpoints that
-- have something waiting are found by hopping from one to the next along the index (endpoint_id, due_at). Those that go by
-- turns are left to `claim_in_turn`. What is known of thousands of endpoints comes as JSON objects and each endpoint is
-- looked up by itself: a join would be planned for a few.
-- $1 endpoints this process is busy with: their free slots
-- $2 tenants it is busy with: what is left of their shares; $3 a whole share: how much one tenant may take
-- $4 most rows; $5 owner; $6 seconds a lease outlasts the timeout; $7 free slots of any other endpoint, or null
-- $8 look at these endpoints alone; null: at all
with recursive hops as (
    (select endpoint_id, due_at from webhook_deliveries
     where $8::uuid[] is null
     order by endpoint_id, due_at limit 1)
    union all
    select following.endpoint_id, following.due_at
    from hops cross join lateral (
        select d.endpoint_id, d.due_at from webhook_deliveries d
        where d.endpoint_id > hops.endpoint_id
        order by d.endpoint_id, d.due_at limit 1
    ) following
), waiting as (
    select * from hops
    union all
    select named.endpoint_id, first.due_at
    from unnest($8::uuid[]) as named (endpoint_id) cross join lateral (
        select d.due_at from webhook_deliveries d
        where d.endpoint_id = named.endpoint_id
        order by d.due_at limit 1
    ) first
), ready as (
    select e.id, e.timeout_seconds, e.free, e.share
    from waiting cross join lateral (
        select id, timeout_seconds, failing_since is not null as fails,
               coalesce(($1::jsonb ->> id::text)::int, least(max_in_flight, $7::int)) as free,
               coalesce(($2::jsonb ->> tenant_id::text)::int, $3::int) as share
        from webhook_endpoints
        where id = waiting.endpoint_id and enabled and not ordered and rate_per_second = 0
          and (held_since is null or held_until <= now())
          and (paused_until is null or paused_until <= now())
        limit 1
    ) e
    where waiting.due_at <= now() and e.free > 0 and e.share > 0
    order by e.fails, waiting.due_at
), picked as (
    select due.tenant_id, due.id, due.due_at, ready.timeout_seconds, ready.share
    from ready cross join lateral (
        select d.tenant_id, d.id, d.due_at from webhook_deliveries d
        where d.endpoint_id = ready.id and d.due_at <= now()
        order by d.due_at limit ready.free
        for update skip locked
    ) due
    limit $4
), shared as (
    select *, row_number() over (partition by tenant_id order by due_at) as nth from picked
), leased as (
    update webhook_deliveries d
    set lease_owner = $5, due_at = now() + make_interval(secs => shared.timeout_seconds + $6)
    from shared
    where d.tenant_id = shared.tenant_id and d.id = shared.id and shared.nth <= shared.share
    returning d.tenant_id, d.id, d.event_id, d.endpoint_id, d.attempt, d.created_at, shared.due_at as was_due_at
)
select leased.tenant_id, leased.id, leased.event_id, leased.endpoint_id, leased.attempt, leased.created_at,
       extract(epoch from now() - leased.was_due_at)::float8 as waited_seconds,
       e.url, e.profile, e.payload, e.retry, e.retry_waits, e.timeout_seconds::float8 as timeout_seconds, e.max_in_flight,
       e.ordered, e.headers, e.client_certificate, e.secret, k.secret as tenant_key,
       case when e.old_until <> '{}' then array(
           select old.secret from unnest(e.old_secrets, e.old_until) as old (secret, until) where old.until > now()
       ) end as old_secrets,
       v.type, v.kind, v.namespace, v.name, v.uid, v.occurred_at, v.data, v.metadata, v.source_url
from leased
join webhook_endpoints e on e.id = leased.endpoint_id
left join webhook_signing_keys k on k.tenant_id = leased.tenant_id
left join events v on v.id = leased.event_id

-- name: claim_in_turn
-- $1, $2 endpoints whose turn we have and how many that allows: see turns.sql
-- $3 tenants we are busy with: what is left of their shares; $4 a whole share
-- $5 most rows; $6 owner; $7 seconds a lease outlasts the timeout
with ready as (
    select e.id, e.timeout_seconds, e.ordered, turn.granted, coalesce(($3::jsonb ->> e.tenant_id::text)::int, $4::int) as share
    from unnest($1::uuid[], $2::int[]) as turn (id, granted)
    join webhook_endpoints e on e.id = turn.id
    where e.enabled
), picked as (
    select due.tenant_id, due.id, due.due_at, due.position, ready.timeout_seconds, ready.share
    from ready cross join lateral (
        select d.tenant_id, d.id, d.due_at, null::bigint as position from webhook_deliveries d
        where not ready.ordered and d.endpoint_id = ready.id and d.due_at <= now()
        order by d.due_at limit ready.granted
        for update skip locked
    ) due
), picked_in_order as (
    -- Nothing that stands behind one that is not due; it has been due for as long as all of them have been. Nobody else
    -- takes any while it is our turn.
    select head.tenant_id, head.id, head.due_at, head.position, ready.timeout_seconds, ready.share
    from ready cross join lateral (
        select d.tenant_id, d.id, d.position, max(d.due_at) over (order by d.position) as due_at
        from (select * from webhook_deliveries o
              where ready.ordered and o.endpoint_id = ready.id and o.position is not null
              order by o.position limit ready.granted) d
    ) head
    where head.due_at <= now()
), shared as (
    select *, row_number() over (partition by tenant_id order by due_at, position) as nth
    from (select * from picked union all select * from picked_in_order) any_of
), leased as (
    update webhook_deliveries d
    set lease_owner = $6, due_at = now() + make_interval(secs => first.timeout_seconds + $7)
    from (select * from shared where nth <= share order by nth limit $5) first
    where d.tenant_id = first.tenant_id and d.id = first.id
    returning d.tenant_id, d.id, d.event_id, d.endpoint_id, d.attempt, d.created_at, d.position,
              first.due_at as was_due_at
)
select leased.tenant_id, leased.id, leased.event_id, leased.endpoint_id, leased.attempt, leased.created_at,
       extract(epoch from now() - leased.was_due_at)::float8 as waited_seconds,
       e.url, e.profile, e.payload, e.retry, e.retry_waits, e.timeout_seconds::float8 as timeout_seconds, e.max_in_flight,
       e.ordered, e.headers, e.client_certificate, e.secret, k.secret as tenant_key,
       case when e.old_until <> '{}' then array(
           select old.secret from unnest(e.old_secrets, e.old_until) as old (secret, until) where old.until > now()
       ) end as old_secrets,
       v.type, v.kind, v.namespace, v.name, v.uid, v.occurred_at, v.data, v.metadata, v.source_url
from leased
join webhook_endpoints e on e.id = leased.endpoint_id
left join webhook_signing_keys k on k.tenant_id = leased.tenant_id
left join events v on v.id = leased.event_id
order by leased.position

-- name: give_back
-- $1 owner; $2, $3 deliveries that it has not begun; $4 for how long they have been due
update webhook_deliveries d set lease_owner = null, due_at = now() - make_interval(secs => unsent.waited)
from unnest($2::uuid[], $3::uuid[], $4::float8[]) as unsent (tenant_id, id, waited)
where d.tenant_id = unsent.tenant_id and d.id = unsent.id and d.lease_owner = $1

-- name: release
-- $1 owner; $2 deliveries it still works on
update webhook_deliveries set lease_owner = null, due_at = now()
where lease_owner = $1 and id <> all ($2::uuid[])
