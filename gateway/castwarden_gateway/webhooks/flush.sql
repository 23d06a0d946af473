-- name: flush
-- One batch of results: attempts are kept, successes leave the queue, failures wait, exhausted ones move to webhook_dead.
-- A success counts whoever holds the lease by now; a failure only while the lease is still ours ($15).
with result as (
    select * from unnest(
        $1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::int[], $6::timestamptz[], $7::text[], $8::int[], $9::int[],
        $10::text[], $11::text[], $12::jsonb[], $13::bytea[], $14::float8[], $16::timestamptz[]
    ) as r (tenant_id, id, event_id, endpoint_id, attempt, at, outcome, status, ms,
            error, detail, response_headers, response_body, wait, delivery_created_at)
), recorded as (
    insert into webhook_attempts (tenant_id, delivery_id, at, event_id, endpoint_id, attempt, outcome, status, ms,
                                  error, detail, response_headers, response_body, delivery_created_at)
    select tenant_id, id, at, event_id, endpoint_id, attempt, outcome, status, ms,
           error, detail, response_headers, response_body, delivery_created_at
    from result
    on conflict do nothing
), sent as (
    delete from webhook_deliveries d using result r
    where r.outcome = 'sent' and d.tenant_id = r.tenant_id and d.id = r.id
), failed as (
    update webhook_deliveries d
    set attempt = r.attempt, due_at = now() + make_interval(secs => r.wait), lease_owner = null,
        last_status = r.status, last_error = r.error
    from result r
    where r.outcome = 'failed' and d.tenant_id = r.tenant_id and d.id = r.id and d.lease_owner = $15
), dead as (
    delete from webhook_deliveries d using result r
    where r.outcome = 'dead' and d.tenant_id = r.tenant_id and d.id = r.id and d.lease_owner = $15
    returning d.tenant_id, d.id, d.event_id, d.endpoint_id, r.attempt, r.status, r.error, d.created_at
)
insert into webhook_dead (tenant_id, id, event_id, endpoint_id, attempt, last_status, last_error, created_at)
select * from dead
on conflict do nothing

-- name: pause
-- The receivers that asked for a rest. $1 endpoints, $2 seconds. Whether each had none before.
update webhook_endpoints e
set paused_until = greatest(e.paused_until, now() + make_interval(secs => asked.seconds))
from unnest($1::uuid[], $2::float8[]) as asked (id, seconds) join webhook_endpoints before on before.id = asked.id
where e.id = asked.id
returning e.id, asked.seconds, coalesce(before.paused_until <= now(), true) as anew

-- name: note_failures
-- $1 endpoints, $2 what went wrong last, $3 when, $4 seconds of rest, $5 the first failure that says something of the
-- receiver (or null), $6 whether a success came before that
update webhook_endpoints e
set last_error = failed.error, last_error_at = failed.at,
    resting_until = case when failed.rest > 0 then now() + make_interval(secs => failed.rest) end,
    failing_since = case when failed.anew then failed.since else coalesce(e.failing_since, failed.since) end
from unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::float8[], $5::timestamptz[], $6::bool[])
    as failed (id, error, at, rest, since, anew)
where e.id = failed.id

-- name: note_successes
-- The endpoints $1 work again.
update webhook_endpoints set failing_since = null where id = any ($1::uuid[]) and failing_since is not null
