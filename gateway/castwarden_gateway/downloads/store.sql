-- name: attempts
select id, client, started_at, finished_at, error
from download_attempts
where uid = $1
order by started_at, id
limit 1000
