-- Row-level security as the second wall between tenants: what each table is walled off with. A migration that makes a
-- table says `call wall_off('<table>')` at its end; 0006 does so for the tables there were before, once nobody runs code
-- any more that does not say whose rows it wants to see.

create function shown_tenant() returns uuid language sql stable parallel safe as
$$ select nullif(nullif(current_setting('castwarden.tenant', true), ''), '*')::uuid $$;

create function shows_all_tenants() returns boolean language sql stable parallel safe as
$$ select coalesce(current_setting('castwarden.tenant', true) = '*', false) $$;

-- `owned` is a condition that a tenant's rows fulfil. Forced, for the owner of the tables is usually our only login. The
-- planner takes `is not null` for nearly always true, so plans stay what they would be without the wall.
create procedure wall_off(walled regclass, owned text) language plpgsql as $$
declare
    part regclass;
begin
    execute format('alter table %s enable row level security, force row level security', walled);
    execute format('drop policy if exists wall on %s', walled);
    execute format('create policy wall on %s using (nullif((select shows_all_tenants()) or %s, false) is not null)', walled, owned);
    for part in select inhrelid from pg_inherits where inhparent = walled loop
        call wall_off(part, owned);
    end loop;
end $$;

-- Whose look it is; one from before has nobody's, until the next one comes.
alter table looks add column tenant_id uuid;

-- A table with a tenant_id; one without belongs to no tenant.
create procedure wall_off(walled regclass) language plpgsql as $$
begin
    if exists (select from pg_attribute where attrelid = walled and attname = 'tenant_id' and not attisdropped) then
        call wall_off(walled, 'tenant_id = (select shown_tenant())');
    else
        call wall_off(walled, 'false');
    end if;
end $$;
