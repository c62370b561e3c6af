-- Saved agents: who a model should be, under a name. What a run was made from never changes: every change is a new version.
create table agent (
  id uuid primary key,
  tenant_id uuid not null,
  name text not null,
  version int not null default 1,              -- the one that starts now
  created_by uuid,
  created_by_name text not null default '',
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  deleted_at timestamptz
);
create unique index agent_name on agent (tenant_id, name) where deleted_at is null;

create table agent_version (
  agent_id uuid not null references agent on delete cascade,
  version int not null,
  tenant_id uuid not null,
  driver text not null,
  description text not null default '',
  system text not null default '',
  model text not null,
  max_tokens int not null,
  tools text[] not null default '{}',
  mcp_servers jsonb not null default '[]',     -- {server, tools?}
  policy jsonb not null default '[]',          -- {tool, decision, arguments?}
  budget_usd numeric(14, 6),                   -- null: without a limit
  changed_by_name text not null default '',
  created_at timestamptz not null default clock_timestamp(),
  primary key (agent_id, version)
);

-- The version that a run is made of; null: its agent is not a saved one.
alter table run add column agent_id uuid, add column agent_version int;
alter table run add constraint run_agent foreign key (agent_id, agent_version) references agent_version;

select windlass_protect('agent');
select windlass_protect('agent_version');

-- What a run of a saved agent is made of; null: its agent is not a saved one.
create function run_agent(p_tenant uuid, p_run uuid) returns jsonb language plpgsql as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  return (select jsonb_build_object('version', v.version, 'driver', v.driver, 'description', v.description, 'system', v.system,
                                    'model', v.model, 'max_tokens', v.max_tokens, 'budget_usd', v.budget_usd)
          from run r join agent_version v on v.agent_id = r.agent_id and v.version = r.agent_version where r.id = p_run);
end $$;

-- Record a run, as before; one of a saved agent with its version, and another try of it with the same.
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
                   agent_id, agent_version)
  values (new_id, p_tenant, p->>'agent', p->>'title', array(select jsonb_array_elements_text(p->'tags')), p->'inputs',
          coalesce(p->'extra', old.extra, '{}'), (p->>'created_by')::uuid, coalesce(p->>'created_by_name', ''),
          (p->>'max_attempts')::int, (p->>'timeout_s')::int, coalesce(old.root_id, new_id), old.id, number,
          coalesce((p->>'agent_id')::uuid, old.agent_id), coalesce((p->>'agent_version')::int, old.agent_version));
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
