-- name: page
select id, media_id, title, url, description, thumbnail_url, views, published_at, updated_at, first_seen_at,
    coalesce(published_at, first_seen_at) as position
from videos
where channel_uid = $1
    and ($2::timestamptz is null or (coalesce(published_at, first_seen_at), id) < ($2, $3::uuid))
    and ($5::timestamptz is null or coalesce(published_at, first_seen_at) >= $5)
    and ($6::timestamptz is null or coalesce(published_at, first_seen_at) <= $6)
    and ($7::text is null or title ilike $7 or description ilike $7)
order by coalesce(published_at, first_seen_at) desc, id desc
limit $4
