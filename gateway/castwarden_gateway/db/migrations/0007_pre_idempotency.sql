-- Requests that came under an Idempotency-Key, and what became of them. One row per key, tenant, method and path.
create table idempotency_keys (
    tenant_id uuid not null references tenants on delete cascade,
    digest bytea not null, -- SHA-256 of method, path and key
    method text not null,
    path text not null, -- the canonical one, without query
    request_hash bytea not null, -- another request under the same key is refused
    operation_id uuid not null, -- names what the request makes: the same in every run of it
    owner uuid not null, -- the run that works on it, or that answered
    lease_until timestamptz not null, -- a run that dies gives way then
    effect jsonb, -- what a run has committed, written in the same transaction
    status int, -- null: no answer yet
    headers jsonb not null default '{}',
    body bytea not null default '',
    sealed boolean not null default false, -- the body holds a secret: only the keyring opens it
    created_at timestamptz not null default now(),
    primary key (tenant_id, digest)
);
create index idempotency_keys_by_age on idempotency_keys (created_at);
