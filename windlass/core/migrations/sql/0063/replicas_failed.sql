-- Replicas that did not come up, also those whose host of an earlier generation serves on: `failed` is the generation.
alter table replica add column failed int;
drop function tell_replica(uuid, uuid, int, text, text);

-- Keep how a replica is doing, null: it is not wanted any more; a service that should be up is as its best one is.
-- With which generation it did not come up stays known until it does.
-- Answers the service's name.
create function tell_replica(p_tenant uuid, p_service uuid, p_n int, p_state text, p_reason text,
                             p_failed int default null) returns text language plpgsql as $$
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
    insert into replica as r (tenant_id, service_id, n, state, reason, failed)
    values (p_tenant, p_service, p_n, p_state, p_reason, p_failed)
    on conflict (service_id, n) do update set state = excluded.state, reason = excluded.reason,
      failed = case when p_state = 'running' and p_failed is null then null else coalesce(p_failed, r.failed) end,
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
