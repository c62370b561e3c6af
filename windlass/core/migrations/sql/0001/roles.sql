-- The three roles of the application, and the one way a table is protected.
do $$
declare
  name text;
begin
  foreach name in array array['windlass_app', 'windlass_jobs', 'windlass_identity'] loop
    if not exists (select from pg_roles where rolname = name) then
      execute format('create role %I nologin nosuperuser nobypassrls', name);
    end if;
    execute format('grant %I to current_user', name);
    execute format('grant usage on schema public to %I', name);
  end loop;
end $$;

grant create on schema public to windlass_identity;

-- The tenant of this transaction, or null: then no row of any protected table is seen.
create function current_tenant() returns uuid language sql stable as
$$ select nullif(current_setting('app.tenant', true), '')::uuid $$;

-- Force row-level security on a table by its column `tenant_id` (or the one given) and let the application use it.
create function windlass_protect(p_table regclass, p_column text default 'tenant_id') returns void language plpgsql as $$
begin
  execute format('alter table %s enable row level security', p_table);
  execute format('alter table %s force row level security', p_table);
  execute format('create policy tenant on %s to windlass_app using (%I = current_tenant()) with check (%I = current_tenant())',
                 p_table, p_column, p_column);
  execute format('grant select, insert, update, delete on %s to windlass_app', p_table);
end $$;

-- Let a role without a tenant read or change a table across tenants: narrow, one verb at a time.
create function windlass_allow(p_table regclass, p_role name, p_verbs text[]) returns void language plpgsql as $$
declare
  verb text;
begin
  foreach verb in array p_verbs loop
    execute format('grant %s on %s to %I', verb, p_table, p_role);
    execute format('create policy %I on %s for %s to %I %s', p_role || '_' || verb, p_table, verb, p_role,
                   case verb when 'insert' then 'with check (true)' when 'update' then 'using (true) with check (true)' else 'using (true)' end);
  end loop;
end $$;
