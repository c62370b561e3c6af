-- Identity: who may come in, as whom, and what they did. Look-ups across tenants are functions of windlass_identity.
create table tenant (
  id uuid primary key,
  name text not null,
  created_at timestamptz not null default clock_timestamp(),
  deleted_at timestamptz
);

create table person (
  id uuid primary key,
  email text not null,                         -- lower case, made so by the application
  name text not null,
  password_hash text not null,
  must_change_password boolean not null default false,
  is_operator boolean not null default false,  -- of the platform; sees no tenant's content
  created_at timestamptz not null default clock_timestamp(),
  last_seen_at timestamptz
);
create unique index person_email on person (email);

create table membership (
  tenant_id uuid not null references tenant,
  person_id uuid not null references person,
  role text not null check (role in ('owner', 'admin', 'builder', 'operator', 'viewer')),
  active boolean not null default true,
  created_at timestamptz not null default clock_timestamp(),
  primary key (tenant_id, person_id)
);
create index membership_person on membership (person_id);
create unique index membership_owner on membership (tenant_id) where role = 'owner';

create table login_session (                   -- also the family of its refresh tokens
  id uuid primary key,
  person_id uuid not null references person,
  active_tenant uuid not null references tenant,
  cookie_hash bytea unique,                    -- set for web sessions
  created_at timestamptz not null default clock_timestamp(),
  last_used_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null,             -- moves with use
  ends_at timestamptz not null,                -- the latest end, however much it is used
  ended_at timestamptz,
  end_reason text,
  address text not null default '',
  agent text not null default ''
);
create index login_session_person on login_session (person_id) where ended_at is null;

create table refresh_token (
  hash bytea primary key,
  session_id uuid not null references login_session on delete cascade,
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null,
  used_at timestamptz
);
create index refresh_token_session on refresh_token (session_id);

create table api_key (
  id text primary key,                         -- the public half of wl_<id>_<secret>
  tenant_id uuid not null references tenant,
  person_id uuid not null references person,   -- its maker; a key never may more than its maker may now
  name text not null,
  hash bytea not null,                         -- HMAC-SHA256 of the secret
  permissions text[] not null,
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz
);
create index api_key_list on api_key (tenant_id, created_at desc, id desc);

create table audit (                           -- append-only
  id bigint generated always as identity primary key,
  tenant_id uuid not null,
  at timestamptz not null default clock_timestamp(),
  actor_id uuid,                               -- null: the system itself
  actor_name text not null default '',
  key_id text,
  session_id uuid,
  address text not null default '',
  request_id text not null default '',
  action text not null,                        -- noun and past tense: member.added, run.started
  subject text not null default '',            -- noun/id
  before jsonb,
  after jsonb
);
create index audit_list on audit (tenant_id, id desc);

create table idempotency (
  tenant_id uuid not null,
  caller text not null,                        -- person or key
  key text not null,
  id uuid not null,                            -- what the request makes may take this id: the same at every try
  fingerprint bytea not null,                  -- sha256 of method, path, query and body
  created_at timestamptz not null default clock_timestamp(),
  leased_until timestamptz not null,           -- a dead gateway's request may be tried again after this
  status int,                                  -- null: still in flight
  answer bytea,                                -- sealed with a key derived from the secret key
  primary key (tenant_id, caller, key)
);
create index idempotency_age on idempotency (created_at);

create unlogged table rate_limit (
  key text primary key,
  tat timestamptz not null,                    -- GCRA: the theoretical arrival time
  hits timestamptz[] not null default '{}'     -- failures of the last minutes, where each one counts
);

select windlass_protect('tenant', 'id');
select windlass_protect(name::regclass) from unnest(array['membership', 'api_key', 'audit', 'idempotency']) name;
revoke update, delete, truncate on audit from windlass_app;
revoke delete on tenant, api_key from windlass_app;

alter table person enable row level security, force row level security;
alter table login_session enable row level security, force row level security;
alter table refresh_token enable row level security, force row level security;
alter table rate_limit enable row level security, force row level security;
create policy colleagues on person for select to windlass_app
  using (exists (select from membership m where m.person_id = person.id and m.tenant_id = current_tenant()));
grant select (id, email, name, must_change_password, created_at, last_seen_at) on person to windlass_app;

select windlass_allow(name::regclass, 'windlass_identity', '{select,insert}') from unnest(array['tenant', 'membership']) name;
select windlass_allow('person', 'windlass_identity', '{select,insert,update}');
select windlass_allow(name::regclass, 'windlass_identity', '{select,insert,update,delete}')
from unnest(array['login_session', 'refresh_token', 'rate_limit']) name;
select windlass_allow('api_key', 'windlass_identity', '{select,update}');
select windlass_allow('idempotency', 'windlass_identity', '{select,delete}');
select windlass_allow('tenant', 'windlass_jobs', '{select}');
select windlass_allow('audit', 'windlass_identity', '{insert}');

-- People ------------------------------------------------------------------------------------------------------------
create function identity_person(p_id uuid, p_email text) returns setof person language sql stable as
$$ select * from person where id = p_id or email = p_email $$;

create function identity_add_person(p_id uuid, p_email text, p_name text, p_hash text, p_must_change boolean) returns boolean language sql as $$
  insert into person (id, email, name, password_hash, must_change_password) values (p_id, p_email, p_name, p_hash, p_must_change)
  on conflict (email) do nothing returning true
$$;

create function identity_set_password(p_id uuid, p_hash text, p_must_change boolean) returns void language sql as $$ update person set password_hash = p_hash, must_change_password = p_must_change where id = p_id $$;

-- A password chosen by an administrator, to be changed at once. False: the person also belongs elsewhere, or runs the platform.
create function identity_reset_password(p_id uuid, p_tenant uuid, p_hash text) returns boolean language plpgsql as $$
begin
  update person p set password_hash = p_hash, must_change_password = true
  where p.id = p_id and not p.is_operator
    and exists (select from membership m where m.person_id = p_id and m.tenant_id = p_tenant)
    and not exists (select from membership m where m.person_id = p_id and m.tenant_id <> p_tenant);
  return found;
end $$;

create function identity_rename(p_id uuid, p_name text) returns void language sql as $$ update person set name = p_name where id = p_id $$;

-- The tenants a person may enter, the one used last first.
create function identity_tenants(p_person uuid)
returns table (tenant_id uuid, name text, role text, created_at timestamptz) language sql stable as $$
  select t.id, t.name, m.role, t.created_at from membership m join tenant t on t.id = m.tenant_id
  where m.person_id = p_person and m.active and t.deleted_at is null
  order by (select max(s.last_used_at) from login_session s where s.person_id = p_person and s.active_tenant = t.id) desc nulls last,
           m.created_at, t.id
$$;

create function identity_is_empty() returns boolean language sql stable as $$ select not exists (select from person) $$;

-- A person with a tenant of their own, at once or not at all. False: the address is taken.
create function identity_register(p_person uuid, p_email text, p_name text, p_hash text, p_must_change boolean, p_tenant uuid, p_tenant_name text)
returns boolean language plpgsql as $$
begin
  if identity_add_person(p_person, p_email, p_name, p_hash, p_must_change) is null then
    return false;
  end if;
  insert into tenant (id, name) values (p_tenant, p_tenant_name);
  insert into membership (tenant_id, person_id, role) values (p_tenant, p_person, 'owner');
  return true;
end $$;

-- The first person of an installation, who is the operator of its platform too. False: there is somebody already.
create function identity_first(p_person uuid, p_email text, p_name text, p_hash text, p_must_change boolean, p_tenant uuid, p_tenant_name text)
returns boolean language plpgsql as $$
begin
  perform pg_advisory_xact_lock(hashtext('identity_first'));
  if exists (select from person) then
    return false;
  end if;
  perform identity_register(p_person, p_email, p_name, p_hash, p_must_change, p_tenant, p_tenant_name);
  update person set is_operator = true where id = p_person;
  return true;
end $$;

-- Every tenant of the installation, for the operator of the platform: names and sizes, no content.
create function identity_all_tenants(p_before uuid, p_limit int)
returns table (tenant_id uuid, name text, created_at timestamptz, deleted_at timestamptz, members bigint) language sql stable as $$
  select t.id, t.name, t.created_at, t.deleted_at, (select count(*) from membership m where m.tenant_id = t.id)
  from tenant t where p_before is null or t.id < p_before order by t.id desc limit p_limit
$$;

-- Sign-in sessions --------------------------------------------------------------------------------------------------
-- Who a live session speaks for; no row when it, its person's membership or its tenant has ended.
create function identity_session(p_session uuid, p_cookie bytea)
returns table (session_id uuid, person_id uuid, tenant_id uuid, tenant_name text, name text, email text, role text,
               must_change_password boolean, is_operator boolean, expires_at timestamptz) language plpgsql as $$
begin
  update login_session s set
    last_used_at = now(),
    expires_at = case when s.cookie_hash is null then s.expires_at else least(now() + (s.expires_at - s.last_used_at), s.ends_at) end
  where (s.id = p_session or s.cookie_hash = p_cookie) and s.ended_at is null and s.expires_at > now()
    and s.last_used_at < now() - interval '1 minute';
  return query
    select s.id, s.person_id, t.id, t.name, p.name, p.email, m.role, p.must_change_password, p.is_operator, s.expires_at
    from login_session s
    join person p on p.id = s.person_id
    join membership m on m.tenant_id = s.active_tenant and m.person_id = s.person_id and m.active
    join tenant t on t.id = s.active_tenant and t.deleted_at is null
    where (s.id = p_session or s.cookie_hash = p_cookie) and s.ended_at is null and s.expires_at > now();
end $$;

-- Open a session with its first refresh token, or with a cookie. False: the person may not enter this tenant.
create function identity_open_session(p_session uuid, p_person uuid, p_tenant uuid, p_cookie bytea, p_refresh bytea,
                                      p_unused interval, p_longest interval, p_address text, p_agent text)
returns boolean language plpgsql as $$
begin
  insert into login_session (id, person_id, active_tenant, cookie_hash, expires_at, ends_at, address, agent)
  select p_session, p_person, p_tenant, p_cookie, now() + p_unused, now() + p_longest, p_address, p_agent
  from membership m join tenant t on t.id = m.tenant_id
  where m.tenant_id = p_tenant and m.person_id = p_person and m.active and t.deleted_at is null;
  if not found then
    return false;
  end if;
  if p_refresh is not null then
    insert into refresh_token (hash, session_id, expires_at) values (p_refresh, p_session, now() + p_unused);
  end if;
  update person set last_seen_at = now() where id = p_person;
  return true;
end $$;

-- Exchange a refresh token for a new one: `rotated`, or why not (`unknown expired ended reused`).
-- A token that comes back within the grace gets another successor (two tabs at once); later it ends the whole family.
create function identity_refresh(p_hash bytea, p_new bytea, p_unused interval, p_grace interval, p_address text)
returns table (outcome text, session_id uuid) language plpgsql as $$
declare
  token refresh_token;
  family login_session;
begin
  select * into token from refresh_token r where r.hash = p_hash;
  if not found then
    return query select 'unknown', null::uuid; return;
  end if;
  select * into family from login_session s where s.id = token.session_id for update;
  select * into token from refresh_token r where r.hash = p_hash;
  if family.ended_at is not null or family.expires_at <= now() then
    return query select 'ended', family.id; return;
  end if;
  if token.expires_at <= now() then
    return query select 'expired', family.id; return;
  end if;
  if token.used_at is not null and token.used_at <= clock_timestamp() - p_grace then
    update login_session s set ended_at = now(), end_reason = 'refresh token used twice' where s.id = family.id;
    insert into audit (tenant_id, actor_id, session_id, address, action, subject)
    values (family.active_tenant, family.person_id, family.id, p_address, 'session.revoked', 'session/' || family.id);
    return query select 'reused', family.id; return;
  end if;
  update refresh_token r set used_at = coalesce(r.used_at, clock_timestamp()) where r.hash = p_hash;
  insert into refresh_token (hash, session_id, expires_at) values (p_new, family.id, least(now() + p_unused, family.ends_at));
  update login_session s set last_used_at = now(), expires_at = least(now() + p_unused, s.ends_at) where s.id = family.id;
  return query select 'rotated', family.id;
end $$;

-- Work in another tenant from now on. False: not a member there, or the session is over.
create function identity_switch(p_session uuid, p_person uuid, p_tenant uuid) returns boolean language plpgsql as $$
begin
  update login_session s set active_tenant = p_tenant
  where s.id = p_session and s.person_id = p_person and s.ended_at is null and exists (
    select from membership m join tenant t on t.id = m.tenant_id
    where m.tenant_id = p_tenant and m.person_id = p_person and m.active and t.deleted_at is null);
  return found;
end $$;

create function identity_sessions(p_person uuid)
returns table (id uuid, tenant_name text, created_at timestamptz, last_used_at timestamptz, expires_at timestamptz,
               address text, agent text, is_web boolean) language sql stable as $$
  select s.id, t.name, s.created_at, s.last_used_at, s.expires_at, s.address, s.agent, s.cookie_hash is not null
  from login_session s join tenant t on t.id = s.active_tenant
  where s.person_id = p_person and s.ended_at is null and s.expires_at > now() order by s.last_used_at desc, s.id
$$;

-- End sessions of a person: one, those in one tenant, or all but one; answers how many ended.
create function identity_end_sessions(p_person uuid, p_only uuid, p_tenant uuid, p_except uuid, p_reason text)
returns int language plpgsql as $$
declare
  n int;
begin
  update login_session s set ended_at = now(), end_reason = p_reason
  where s.person_id = p_person and s.ended_at is null and s.expires_at > now() and (p_only is null or s.id = p_only)
    and (p_tenant is null or s.active_tenant = p_tenant) and (p_except is null or s.id <> p_except);
  get diagnostics n = row_count;
  return n;
end $$;

-- API keys ----------------------------------------------------------------------------------------------------------
-- A live key with its maker as they stand now; no row when either has ended.
create function identity_key(p_id text)
returns table (key_id text, hash bytea, permissions text[], person_id uuid, tenant_id uuid, tenant_name text, name text,
               email text, role text, expires_at timestamptz) language plpgsql as $$
begin
  update api_key k set last_used_at = now()
  where k.id = p_id and k.revoked_at is null and (k.last_used_at is null or k.last_used_at < now() - interval '1 minute');
  return query
    select k.id, k.hash, k.permissions, p.id, t.id, t.name, p.name, p.email, m.role, k.expires_at
    from api_key k
    join person p on p.id = k.person_id
    join membership m on m.tenant_id = k.tenant_id and m.person_id = k.person_id and m.active
    join tenant t on t.id = k.tenant_id and t.deleted_at is null
    where k.id = p_id and k.revoked_at is null and (k.expires_at is null or k.expires_at > now());
end $$;

-- Limits ------------------------------------------------------------------------------------------------------------
-- GCRA: `p_limit` per `p_period`, all at once or spread; refused is the number of seconds to wait, allowed is null.
create function identity_take(p_key text, p_limit int, p_period interval) returns double precision language plpgsql as $$
declare
  at timestamptz := clock_timestamp();
  step interval := p_period / p_limit;
begin
  insert into rate_limit as r (key, tat) values (p_key, at + step)
  on conflict (key) do update set tat = greatest(r.tat, at) + step where greatest(r.tat, at) + step <= at + p_period;
  if found then
    return null;
  end if;
  return (select extract(epoch from r.tat + step - p_period - at)::double precision from rate_limit r where r.key = p_key);
end $$;

-- Seconds until this key has fewer than `p_limit` failures within `p_window`; null: it has.
create function identity_blocked(p_key text, p_limit int, p_window interval) returns double precision language sql stable as $$
  select extract(epoch from min(recent.at) + p_window - clock_timestamp())::double precision
  from (select h as at from rate_limit r, unnest(r.hits) h
        where r.key = p_key and h > clock_timestamp() - p_window order by h desc limit p_limit) recent
  having count(*) >= p_limit
$$;

create function identity_failed(p_key text, p_limit int) returns void language sql as $$
  insert into rate_limit as r (key, tat, hits) values (p_key, clock_timestamp(), array[clock_timestamp()])
  on conflict (key) do update set tat = excluded.tat, hits = (r.hits || excluded.hits)[greatest(1, cardinality(r.hits) + 2 - p_limit):]
$$;

create function identity_forgive(p_key text) returns void language sql as $$ delete from rate_limit where key = p_key $$;

-- Drop what nobody can use any more.
create function identity_sweep() returns void language sql as $$
  delete from idempotency where created_at < now() - interval '24 hours';
  delete from rate_limit where tat < now() - interval '1 day';
  delete from refresh_token where expires_at < now() - interval '7 days';
  delete from login_session where least(ended_at, expires_at) < now() - interval '90 days';
$$;

-- One caller's request, once. `mine`: run it; `done`: the answer; `busy`: somebody runs it; `other`: another request has this key.
create function idempotency_claim(p_tenant uuid, p_caller text, p_key text, p_id uuid, p_fingerprint bytea, p_lease interval)
returns table (state text, id uuid, status int, answer bytea) language plpgsql as $$
#variable_conflict use_column
declare
  known idempotency;
begin
  perform set_config('app.tenant', p_tenant::text, true);
  insert into idempotency as i (tenant_id, caller, key, id, fingerprint, leased_until)
  values (p_tenant, p_caller, p_key, p_id, p_fingerprint, clock_timestamp() + p_lease)
  on conflict (tenant_id, caller, key) do update
    set id = case when i.created_at < now() - interval '24 hours' then excluded.id else i.id end, fingerprint = excluded.fingerprint,
        created_at = case when i.created_at < now() - interval '24 hours' then now() else i.created_at end,
        leased_until = excluded.leased_until, status = null, answer = null
    where i.created_at < now() - interval '24 hours'
       or (i.fingerprint = excluded.fingerprint and i.status is null and i.leased_until < clock_timestamp())
  returning * into known;
  if found then
    return query select 'mine', known.id, null::int, null::bytea; return;
  end if;
  select * into known from idempotency where tenant_id = p_tenant and caller = p_caller and key = p_key;
  return query select case when known.fingerprint <> p_fingerprint then 'other' when known.status is null then 'busy' else 'done' end,
                      known.id, known.status, known.answer;
end $$;

-- Keep the answer, or with a null status let the next try run.
create function idempotency_finish(p_tenant uuid, p_caller text, p_key text, p_status int, p_answer bytea) returns void language plpgsql as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  if p_status is null then
    update idempotency set leased_until = '-infinity' where tenant_id = p_tenant and caller = p_caller and key = p_key and status is null;
  else
    update idempotency set status = p_status, answer = p_answer where tenant_id = p_tenant and caller = p_caller and key = p_key;
  end if;
end $$;

-- The identity_ functions above are the only way past the tenant's wall: owned by a role that may do nothing else.
do $$
declare
  f regprocedure;
begin
  for f in select oid::regprocedure from pg_proc where pronamespace = 'public'::regnamespace and proname like 'identity\_%' loop
    execute format('alter function %s security definer set search_path = public, pg_temp', f);
    execute format('revoke execute on function %s from public', f);
    execute format('grant execute on function %s to windlass_app', f);
    execute format('alter function %s owner to windlass_identity', f);
  end loop;
end $$;
