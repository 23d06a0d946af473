-- name: effect
select effect from idempotency_keys where tenant_id = $1 and digest = $2 and operation_id = $3 for update

-- name: note_effect
update idempotency_keys set effect = $4 where tenant_id = $1 and digest = $2 and operation_id = $3
