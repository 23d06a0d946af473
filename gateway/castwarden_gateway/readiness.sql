-- name: write
-- Enough rows that they need pages of their own: a full disk may still take one row more.
insert into reports (id, uid) select gen_random_uuid(), $1 from generate_series(1, 2000)

-- name: unwrite
delete from reports where uid = $1
