-- name: add
-- $1 rows, in the order of their keys: else two gateways that add to the same would wait for each other
insert into webhook_tallies as t (tenant_id, endpoint_id, hour, outcome, error, attempts, ms, buckets)
select tenant_id, endpoint_id, hour, outcome, error, attempts, ms, buckets
from jsonb_to_recordset($1::jsonb) as r (
    tenant_id uuid, endpoint_id uuid, hour timestamptz, outcome text, error text, attempts bigint, ms bigint, buckets bigint[]
)
on conflict (endpoint_id, hour, outcome, error) do update
set attempts = t.attempts + excluded.attempts, ms = t.ms + excluded.ms,
    buckets = array(select a + b from unnest(t.buckets, excluded.buckets) with ordinality as u (a, b, nth) order by nth)

-- name: of_endpoint
-- Of the endpoint $2, from the hour $3 to before $4
select hour, outcome, error, attempts, ms, buckets from webhook_tallies
where tenant_id = $1 and endpoint_id = $2 and hour >= $3 and hour < $4
order by hour

-- name: backlog
-- What waits for the endpoint $2 and what it lost; no more than $3 of each are counted
select
    (select count(*) from (select from webhook_deliveries
                           where tenant_id = $1 and endpoint_id = $2 limit $3) d) as waiting,
    (select min(created_at) from (select created_at from webhook_deliveries
                                  where tenant_id = $1 and endpoint_id = $2 limit $3) d) as waiting_since,
    (select count(*) from (select from webhook_dead
                           where tenant_id = $1 and endpoint_id = $2 limit $3) d) as dead
