-- Invitations: whoever holds the code may join a tenant once. And how often each member is signed in.
create table invitation (
  id uuid primary key,
  tenant_id uuid not null references tenant,
  email text not null,                         -- lower case, made so by the application
  role text not null check (role in ('admin', 'builder', 'operator', 'viewer')),
  hash bytea not null unique,                  -- SHA-256 of the code, which has 256 bits
  created_by uuid not null,
  created_by_name text not null,
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null,
  ended_at timestamptz                         -- used, taken back, or replaced by another
);
create index invitation_list on invitation (tenant_id, created_at);
select windlass_protect('invitation');
select windlass_allow('invitation', 'windlass_identity', '{select,update}');

-- The live invitation of a code, and whether its e-mail address has an account.
create function identity_invitation(p_hash bytea)
returns table (tenant_id uuid, tenant_name text, email text, role text, invited_by text, has_account boolean) language sql stable as $$
  select i.tenant_id, t.name, i.email, i.role, i.created_by_name, exists (select from person p where p.email = i.email)
  from invitation i join tenant t on t.id = i.tenant_id and t.deleted_at is null
  where i.hash = p_hash and i.ended_at is null and i.expires_at > now()
$$;

-- Join by a code, once: with a new account, or with the one the address has. False: the code is no longer good,
-- or an account is needed and none was given.
create function identity_join(p_hash bytea, p_person uuid, p_name text, p_password text, p_address text, p_request text)
returns boolean language plpgsql as $$
declare
  wanted invitation;
  known person;
begin
  select * into wanted from invitation i where i.hash = p_hash and i.ended_at is null and i.expires_at > now() for update;
  if not found or not exists (select from tenant t where t.id = wanted.tenant_id and t.deleted_at is null) then
    return false;
  end if;
  select * into known from person p where p.email = wanted.email;
  if not found then
    if p_password is null then
      return false;
    end if;
    insert into person (id, email, name, password_hash) values (p_person, wanted.email, p_name, p_password) returning * into known;
  end if;
  insert into membership (tenant_id, person_id, role) values (wanted.tenant_id, known.id, wanted.role) on conflict do nothing;
  update invitation i set ended_at = now() where i.id = wanted.id;
  insert into audit (tenant_id, actor_id, actor_name, address, request_id, action, subject, after)
  values (wanted.tenant_id, known.id, known.name, p_address, p_request, 'member.join', 'person:' || known.id,
          jsonb_build_object('email', wanted.email, 'role', wanted.role, 'invited_by', wanted.created_by_name));
  return true;
end $$;

-- In how many places each member is signed in to a tenant.
create function identity_sessions_in(p_tenant uuid) returns table (person_id uuid, sessions int) language sql stable as $$
  select s.person_id, count(*)::int from login_session s
  where s.active_tenant = p_tenant and s.ended_at is null and s.expires_at > now() group by s.person_id
$$;

do $$
declare
  f regprocedure;
begin
  for f in select oid::regprocedure from pg_proc where proname in ('identity_invitation', 'identity_join', 'identity_sessions_in') loop
    execute format('alter function %s security definer set search_path = public, pg_temp', f);
    execute format('revoke execute on function %s from public', f);
    execute format('grant execute on function %s to windlass_app', f);
    execute format('alter function %s owner to windlass_identity', f);
  end loop;
end $$;
