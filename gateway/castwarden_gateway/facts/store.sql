-- name: begin
insert into resources (uid, tenant_id, kind, namespace, name, epoch, pod)
select * from unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::int[], $7::text[])
on conflict (uid) do nothing

-- name: next_epoch
-- A worker begins: whoever came before it is late mail from now on.
insert into resources (uid, tenant_id, kind, namespace, name, epoch, pod)
values ($1, $2, $3, $4, $5, 1, $6)
on conflict (uid) do update set epoch = resources.epoch + 1, seq = -1, pod = excluded.pod

-- name: known
select uid, tenant_id, kind, namespace, name, epoch, seq, pod, state
from resources
where uid = any($1::text[])

-- name: lock
-- Always in the same order, so that two transactions never wait for each other in a circle.
select uid, tenant_id, kind, namespace, name, epoch, seq, pod, state
from resources
where uid = any($1::text[])
order by uid
for update

-- name: known_videos
select v.channel_uid, v.media_id, v.id, v.title, v.url, v.description, v.thumbnail_url, v.published_at
from unnest($1::text[], $2::text[]) as wanted (channel_uid, media_id)
join videos v using (channel_uid, media_id)

-- name: note_ids
insert into reports (id, uid)
select distinct * from unnest($1::uuid[], $2::text[]) as u (id, uid)
on conflict (uid, id) do nothing
returning uid, id

-- name: save
update resources r set epoch = u.epoch, seq = u.seq, pod = u.pod, state = u.state, updated_at = now()
from jsonb_to_recordset($1::jsonb) as u (uid text, epoch int, seq bigint, pod text, state jsonb)
where r.uid = u.uid

-- name: upsert_video
insert into videos
    (id, tenant_id, channel_uid, media_id, title, url, description, thumbnail_url, views, published_at, updated_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
on conflict (channel_uid, media_id) do update set
    title = excluded.title,
    url = excluded.url,
    description = excluded.description,
    thumbnail_url = excluded.thumbnail_url,
    views = coalesce(excluded.views, videos.views),
    published_at = coalesce(excluded.published_at, videos.published_at),
    updated_at = coalesce(excluded.updated_at, videos.updated_at),
    last_seen_at = now()

-- name: insert_attempt
insert into download_attempts (id, uid, client, started_at, finished_at, error)
values ($1, $2, $3, $4, $5, $6)
on conflict (uid, id) do nothing

-- name: insert_download
insert into downloads (uid, tenant_id, media_id, title, path, bytes, sha256)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (uid) do nothing

-- name: prune_reports
delete from reports where taken_at < now() - $1::interval
