-- How long a run waits before its second attempt; before each later one twice as long.
alter table run add column backoff_s int not null default 1;
alter table task_version add column backoff_s int not null default 1;

-- As before, with it.
create or replace function create_run(p_tenant uuid, p jsonb, p_kept text[]) returns setof run language plpgsql as $$
declare
  new_id uuid := (p->>'id')::uuid;
  old run;
  number int := 1;
  first_event jsonb := '{"status": "queued"}';
begin
  perform set_config('app.tenant', p_tenant::text, true);
  perform open_stream(p_tenant, new_id, 'run');
  select * into old from run where id = (p->>'retry_of')::uuid;
  if found then
    perform from run where id = old.root_id for no key update;  -- tries are numbered one after the other
    select max(try) + 1 into number from run where root_id = old.root_id;
    first_event := first_event || jsonb_build_object('reason', format('try %s, after one that %s', number,
                                                                      case old.status when 'cancelled' then 'was cancelled' else old.status end));
  end if;
  insert into run (id, tenant_id, agent, title, tags, inputs, extra, created_by, created_by_name, max_attempts, timeout_s, root_id, retry_of, try,
                   agent_id, agent_version, backoff_s)
  values (new_id, p_tenant, p->>'agent', p->>'title', array(select jsonb_array_elements_text(p->'tags')), p->'inputs',
          coalesce(p->'extra', old.extra, '{}'), (p->>'created_by')::uuid, coalesce(p->>'created_by_name', ''),
          (p->>'max_attempts')::int, (p->>'timeout_s')::int, coalesce(old.root_id, new_id), old.id, number,
          coalesce((p->>'agent_id')::uuid, old.agent_id), coalesce((p->>'agent_version')::int, old.agent_version),
          coalesce((p->>'backoff_s')::int, 1));
  if p_kept is not null then
    insert into step (run_id, key, tenant_id, name, state, attempt, execution, started_at, ended_at, ms, until, result, kept_from, position)
    select new_id, key, tenant_id, name, state, 1, execution, started_at, ended_at, ms, until, result, coalesce(kept_from, run_id),
           row_number() over (order by position) - count(*) over ()  -- before every step of its own
    from step where run_id = old.id and state = 'done' and key = any (p_kept);
    update run set steps_kept = (select count(*) from step where run_id = new_id) where id = new_id;
  end if;
  perform append_events(p_tenant, new_id, null, array['gateway'], array[1::bigint], array['status'], array[first_event]);
  insert into outbox (tenant_id, run_id, message) values (p_tenant, new_id, 'start');
  return query select * from run where id = new_id;
end $$;
