-- name: sealed_secrets
select 'endpoint' as what, id, tenant_id, secret from webhook_endpoints where secret is not null
union all
select 'headers', id, tenant_id, headers from webhook_endpoints where headers is not null
union all
select 'certificate', id, tenant_id, client_certificate from webhook_endpoints where client_certificate is not null
union all
select 'old', id, tenant_id, unnest(old_secrets) from webhook_endpoints where old_secrets <> '{}'
union all
select 'tenant', tenant_id, tenant_id, secret from webhook_signing_keys

-- name: reseal_endpoint
update webhook_endpoints set secret = $2 where id = $1 and secret = $3

-- name: reseal_headers
update webhook_endpoints set headers = $2 where id = $1 and headers = $3

-- name: reseal_certificate
update webhook_endpoints set client_certificate = $2 where id = $1 and client_certificate = $3

-- name: reseal_old
update webhook_endpoints set old_secrets = array_replace(old_secrets, $3::bytea, $2::bytea)
where id = $1 and $3 = any (old_secrets)

-- name: reseal_tenant
update webhook_signing_keys set secret = $2 where tenant_id = $1 and secret = $3
