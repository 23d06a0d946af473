-- name: take_turns
-- $1 owner; $2, $3 endpoints it is busy with and their free slots; $4 seconds a lease outlasts the timeout
-- $5 seconds of a rate that may come at once; $6 most deliveries of an ordered endpoint
with due as (
    select e.id, e.tenant_id, e.ordered, e.rate_per_second as rate, e.timeout_seconds,
           (select count(*) from (
                select from webhook_deliveries d
                where d.endpoint_id = e.id and d.due_at <= now()
                limit case when e.ordered then $6::int else coalesce(busy.free, e.max_in_flight) end
            ) few)::int as wanted
    from webhook_endpoints e
    left join unnest($2::uuid[], $3::int[]) as busy (id, free) on busy.id = e.id
    where e.enabled and (e.ordered or e.rate_per_second > 0)
      and (e.held_since is null or e.held_until <= now())
      and coalesce(busy.free, 1) > 0
      and (e.paused_until is null or e.paused_until <= now())
      and (e.resting_until is null or e.resting_until <= now())
), taken as (
    insert into webhook_turns as t (endpoint_id, tenant_id, owner, until, tokens, granted, at)
    select id, tenant_id, $1, now() + make_interval(secs => timeout_seconds + $4),
           case when rate > 0 then greatest(1, rate * $5) - least(wanted, floor(greatest(1, rate * $5))) else 0 end,
           case when rate > 0 then least(wanted, floor(greatest(1, rate * $5)))::int else wanted end,
           now()
    from due where wanted > 0
    order by id
    on conflict (endpoint_id) do update
    set owner = excluded.owner, until = excluded.until, at = now(),
        (tokens, granted) = (
            select filled.tokens - least(due.wanted, floor(filled.tokens)) * (due.rate > 0)::int,
                   case when due.rate > 0 then least(due.wanted, floor(filled.tokens))::int else due.wanted end
            from due cross join lateral (
                select least(greatest(1, due.rate * $5),
                             t.tokens + due.rate * extract(epoch from now() - t.at)) as tokens
            ) filled
            where due.id = t.endpoint_id
        )
    where t.owner = $1 or t.until <= now() or not (select due.ordered from due where due.id = t.endpoint_id)
    returning t.endpoint_id, t.granted
)
select endpoint_id, granted from taken where granted > 0

-- name: any_by_turns
select exists (select from webhook_endpoints where (ordered or rate_per_second > 0) and enabled)

-- name: place
-- What waits for the endpoint $1, which has just become ordered, and has no position yet.
update webhook_deliveries d set position = q.position
from (
    select o.tenant_id, o.id, nextval('webhook_positions') as position
    from (select tenant_id, id from webhook_deliveries
          where endpoint_id = $1 and position is null order by id for update) o
) q
where d.tenant_id = q.tenant_id and d.id = q.id

-- name: place_stragglers
-- The same for what was being recorded at that moment. It is looked for for a minute.
update webhook_deliveries d set position = nextval('webhook_positions')
where d.position is null
  and d.endpoint_id = any (array(select id from webhook_endpoints
                                 where ordered and enabled and updated_at > now() - interval '1 minute'))

-- name: end_turns
update webhook_turns set until = now() where owner = $1
