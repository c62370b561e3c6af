-- Services with several hosts: how many are wanted, which of them a host is, and how each is doing.
alter table service add column replicas int not null default 1 check (replicas between 1 and 8);
alter table host add column replica int not null default 1;

create table replica (
  tenant_id uuid not null,
  service_id uuid not null references service on delete cascade,
  n int not null,                              -- 1 to the service's replicas
  state text not null,                         -- deploying running unhealthy deploy_failed
  reason text,
  since timestamptz not null default clock_timestamp(),
  primary key (service_id, n)
);
alter table service no force row level security;
insert into replica (tenant_id, service_id, n, state, reason, since)
select tenant_id, id, 1, state, reason, updated_at from service where enabled and not stopped and state <> 'draft' and url = '';
alter table service force row level security;
select windlass_protect('replica');

-- Keep how a replica is doing, null: it is not wanted any more; a service that should be up is as its best one is.
-- Answers the service's name.
create function tell_replica(p_tenant uuid, p_service uuid, p_n int, p_state text, p_reason text) returns text language plpgsql as $$
declare
  s service;
  best replica;
  told text;
begin
  perform set_config('app.tenant', p_tenant::text, true);
  select * into s from service where id = p_service for no key update;
  if p_state is null or s.id is null then
    delete from replica where service_id = p_service and n = p_n;
  else
    insert into replica as r (tenant_id, service_id, n, state, reason) values (p_tenant, p_service, p_n, p_state, p_reason)
    on conflict (service_id, n) do update set state = excluded.state, reason = excluded.reason,
      since = case when r.state = excluded.state then r.since else clock_timestamp() end;
  end if;
  if s.id is null or s.stopped or not s.enabled then
    return s.name;
  end if;
  select * into best from replica r where r.service_id = p_service and r.n <= s.replicas
  order by r.state = 'running' desc, r.state = 'deploying' desc, r.n limit 1;
  select case when s.replicas = 1 then r.reason else format('Replica %s of %s: %s', r.n, s.replicas, r.reason) end into told
  from replica r where r.service_id = p_service and r.n <= s.replicas and r.reason is not null order by r.n limit 1;
  update service set state = best.state, reason = told, updated_at = now() where id = p_service and best.state is not null;
  return s.name;
end $$;

-- The replica whose host has the run, by the record; null: any may have it. Who left it is not there before its end is known.
create function run_replica(p_tenant uuid, p_run uuid) returns int language plpgsql as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  return (select h.replica from run r join host h on h.boot_id = r.host_boot where r.id = p_run and h.ended_at is null);
end $$;
