-- Who changed what. A row is there before the change is made, and gets its status afterwards.
create table audit_log (
    tenant_id uuid not null, -- whose things; no reference, for the record outlives its tenant
    at timestamptz not null default now(),
    id uuid not null,
    key_id uuid, -- null: the gateway itself, at its first start
    key_name text not null,
    key_prefix text not null,
    key_tenant text not null, -- slug; another one when an administrator acted for the tenant
    action text not null, -- the operationId
    kind text not null,
    subject text, -- the id of what was changed, once it is known
    route text not null,
    client_address text,
    user_agent text,
    request_id text not null,
    status int, -- null: not known, the gateway may have died
    primary key (tenant_id, at, id)
);
create index audit_log_by_age on audit_log (at);
create index audit_log_unfinished on audit_log (id) where status is null;
call wall_off('audit_log');

-- The key that takes the place of this one, which works on until expires_at.
alter table api_keys add column replaced_by uuid;
