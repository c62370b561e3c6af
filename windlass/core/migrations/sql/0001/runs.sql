-- Runs: a row is the projection of its events; only these functions write it.
create table run (
  id uuid primary key,                         -- also the id of its stream
  tenant_id uuid not null,
  agent text not null,
  title text not null,
  tags text[] not null default '{}',
  status text not null default 'queued',
  inputs jsonb not null default '{}',
  extra jsonb not null default '{}',
  result jsonb,                                -- typed value of the final event
  error jsonb,                                 -- {type, message, fields?, traceback?}
  meta jsonb not null default '{}',
  created_by uuid,
  created_by_name text not null default '',
  created_at timestamptz not null default clock_timestamp(),
  started_at timestamptz,
  ended_at timestamptz,
  archived_at timestamptz,
  seen_at timestamptz,                         -- when somebody put a failure aside
  attempt int not null default 1,
  max_attempts int not null default 1,
  timeout_s int,
  root_id uuid not null,                       -- the first of its tries
  retry_of uuid,
  try int not null default 1,
  cancel_requested_at timestamptz,
  cancel_reason text,
  host_boot text,                              -- the host that executes it now
  deaths int not null default 0,               -- host deaths since the last newly finished step, shared or alone
  lone_deaths int not null default 0,          -- of these, the ones that took nobody else along
  steps_kept int not null default 0,
  model_calls int not null default 0,
  input_tokens bigint not null default 0,
  output_tokens bigint not null default 0,
  cached_tokens bigint not null default 0,
  cost_usd numeric(14, 6),                     -- null: unknown
  standin boolean not null default false       -- a scripted stand-in answered instead of the model provider
);
create index run_list on run (tenant_id, created_at desc, id desc) where archived_at is null;
create index run_status on run (tenant_id, status, created_at desc) where archived_at is null;
create index run_open on run (created_at) where status in ('queued', 'starting', 'running', 'awaiting');
create index run_tries on run (root_id, try);

create table step (
  run_id uuid not null references run on delete cascade,
  key text not null,
  tenant_id uuid not null,
  name text not null,
  state text not null,                         -- started done failed unknown
  attempt int not null,
  execution int not null default 1,            -- how often it was started; more than one is shown as repeated
  started_at timestamptz not null,
  ended_at timestamptz,
  ms double precision,
  until timestamptz,                           -- the end of a durable sleep
  result jsonb,
  error jsonb,
  kept_from uuid,                              -- the earlier try that finished it
  position bigint not null,
  primary key (run_id, key)
);

-- What must still be told to Temporal. A line leaves when its message has arrived.
create table outbox (
  id bigint generated always as identity primary key,
  tenant_id uuid not null,
  run_id uuid not null,
  message text not null,                       -- start cancel
  created_at timestamptz not null default clock_timestamp()
);

-- Facts of the installation that outlive a process, such as the Temporal namespace that was seen last.
create table installation (key text primary key, value jsonb not null);
grant select, insert, update on installation to windlass_jobs;

select windlass_protect('run');
select windlass_protect('step');
select windlass_protect('outbox');
select windlass_allow('run', 'windlass_jobs', '{select}');
select windlass_allow('outbox', 'windlass_jobs', '{select,insert,update,delete}');

create function is_terminal(p_status text) returns boolean language sql immutable as
$$ select p_status in ('finished', 'failed', 'cancelled') $$;

-- Bring the run's row, and its steps, up to date with one new event.
create function project_run_event(p_run uuid, p_seq bigint, p_kind text, p_payload jsonb) returns void language plpgsql as $$
declare
  to_status text := p_payload->>'status';
begin
  case p_kind
  when 'status' then
    update run set
      status = to_status,
      attempt = coalesce((p_payload->>'attempt')::int, attempt),
      error = case when to_status <> 'starting' then error end,  -- the last attempt's is not this one's
      started_at = case when to_status in ('starting', 'running') then coalesce(started_at, clock_timestamp()) else started_at end,
      ended_at = case when is_terminal(to_status) then clock_timestamp() end
    where id = p_run;
  when 'step' then
    perform project_step(p_run, p_seq, p_payload);
  when 'final' then
    update run set result = p_payload, error = null where id = p_run;
  when 'error' then
    update run set error = p_payload where id = p_run;
  when 'meta' then
    update run set meta = p_payload where id = p_run;
  when 'usage' then
    update run set
      model_calls = model_calls + 1,
      input_tokens = input_tokens + coalesce((p_payload->>'input_tokens')::bigint, 0),
      output_tokens = output_tokens + coalesce((p_payload->>'output_tokens')::bigint, 0),
      cached_tokens = cached_tokens + coalesce((p_payload->>'cache_read_tokens')::bigint, 0),
      cost_usd = case when p_payload->>'cost_usd' is null then cost_usd else coalesce(cost_usd, 0) + (p_payload->>'cost_usd')::numeric end
    where id = p_run;
  when 'message' then
    update run set standin = true where id = p_run and not standin and (p_payload->>'standin')::boolean;
  else
    null;
  end case;
end $$;

create function project_step(p_run uuid, p_seq bigint, p jsonb) returns void language plpgsql as $$
declare
  ended boolean := p->>'state' in ('done', 'failed', 'unknown');
  kept boolean;
begin
  insert into step as s (run_id, key, tenant_id, name, state, attempt, execution, started_at, ended_at, ms, until, result, error, position)
  select p_run, p->>'key', r.tenant_id, p->>'name', case when p->>'state' = 'repeated' then 'started' else p->>'state' end, r.attempt,
         coalesce((p->>'execution')::int, 1), coalesce((p->>'started_at')::timestamptz, clock_timestamp()),
         case when ended then clock_timestamp() end, (p->>'ms')::double precision, (p->>'until')::timestamptz, p->'result', p->'error', p_seq
  from run r where r.id = p_run
  on conflict (run_id, key) do update set
    state = excluded.state, attempt = excluded.attempt, execution = excluded.execution, ended_at = excluded.ended_at,
    started_at = case when p->>'state' = 'repeated' then excluded.started_at else s.started_at end,
    ms = excluded.ms, until = coalesce(excluded.until, s.until), result = excluded.result, error = excluded.error
  where s.state <> 'done';
  kept := found and p->>'state' = 'done';
  if kept then
    update run set steps_kept = steps_kept + 1, deaths = 0, lone_deaths = 0 where id = p_run;
  end if;
end $$;

-- Append to the run's stream and keep the row true, in one transaction. Same answer as append_events.
create function run_append(p_tenant uuid, p_run uuid, p_epoch int, p_producers text[], p_pseqs bigint[], p_kinds text[], p_payloads jsonb[])
returns table (n int, seq bigint, same boolean, fresh boolean) language plpgsql as $$
declare
  stored record;
begin
  for stored in select * from append_events(p_tenant, p_run, p_epoch, p_producers, p_pseqs, p_kinds, p_payloads) loop
    if stored.fresh then
      perform project_run_event(p_run, stored.seq, p_kinds[stored.n], p_payloads[stored.n]);
    end if;
    n := stored.n; seq := stored.seq; same := stored.same; fresh := stored.fresh;
    return next;
  end loop;
end $$;

-- Record a run: its stream, row, kept steps, first event and outbox line commit together. With `retry_of` it is the next try of a run.
create function create_run(p_tenant uuid, p jsonb, p_kept text[]) returns setof run language plpgsql as $$
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
  insert into run (id, tenant_id, agent, title, tags, inputs, extra, created_by, created_by_name, max_attempts, timeout_s, root_id, retry_of, try)
  values (new_id, p_tenant, p->>'agent', p->>'title', array(select jsonb_array_elements_text(p->'tags')), p->'inputs',
          coalesce(p->'extra', old.extra, '{}'), (p->>'created_by')::uuid, coalesce(p->>'created_by_name', ''),
          (p->>'max_attempts')::int, (p->>'timeout_s')::int, coalesce(old.root_id, new_id), old.id, number);
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

-- The inputs as an event can hold them; all of them are on the run's row.
create function shown_inputs(p_inputs jsonb) returns jsonb language sql immutable as $$
  select case when octet_length(jsonb_build_object('dict', p_inputs)::text) <= 32768 then jsonb_build_object('dict', p_inputs)
              else jsonb_build_object('Text', jsonb_build_object('body', format('%s bytes of inputs, kept with the run', octet_length(p_inputs::text)))) end
$$;

-- Take the run over: raise its epoch, say that it starts, and answer all an executor needs. Null: there is no such run.
create function attach_run(p_tenant uuid, p_run uuid, p_attempt int) returns jsonb language plpgsql as $$
declare
  r run;
  new_epoch int;
begin
  perform set_config('app.tenant', p_tenant::text, true);
  select * into r from run where id = p_run;
  if not found then
    return null;
  end if;
  if not is_terminal(r.status) then
    new_epoch := raise_epoch(p_tenant, p_run);
    perform run_append(p_tenant, p_run, new_epoch, array_fill('run:' || p_attempt, array[2]), array[1, 2]::bigint[], array['status', 'inputs'],
                       array[jsonb_build_object('status', 'starting', 'attempt', p_attempt), shown_inputs(r.inputs)]);
    select * into r from run where id = p_run;
  end if;
  return jsonb_build_object(
    'epoch', new_epoch, 'status', r.status, 'agent', r.agent, 'title', r.title, 'inputs', r.inputs, 'extra', r.extra,
    'user_id', r.created_by, 'created_by_name', r.created_by_name, 'tags', to_jsonb(r.tags), 'attempt', p_attempt,
    'deaths', r.deaths, 'lone_deaths', r.lone_deaths, 'host_boot', r.host_boot, 'cancel_requested', r.cancel_requested_at is not null,
    'seq', (select last_seq from stream where id = p_run),
    'steps', coalesce((select jsonb_agg(jsonb_build_object('key', key, 'name', name, 'state', state, 'executions', execution, 'result', result,
                                          'error', error, 'until', until, 'ms', ms, 'started_at', started_at) order by position)
                       from step where run_id = p_run and (state <> 'failed' or attempt = p_attempt)), '[]'),
    'service', (select jsonb_build_object('id', s.id, 'name', s.name, 'path', f.path, 'state', s.state, 'enabled', s.enabled,
                                          'reason', s.reason, 'meta', f.meta, 'summary', f.summary, 'description', f.description)
                from flow f join service s on s.id = f.service_id where f.name = r.agent));
end $$;

-- Remember which host executes the run now. False: nobody watches over that host yet, its death would not be noticed.
create function place_run(p_tenant uuid, p_run uuid, p_boot text) returns boolean language plpgsql as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  update run set host_boot = p_boot where id = p_run and exists (select from host where boot_id = p_boot);
  return found;
end $$;

-- Another host than the one that had the run will have it now. A crash counts, once per host, and answers what has
-- gathered since the run's last newly finished step; a host that ended with its whole stack counts for nothing.
create function note_host_death(p_tenant uuid, p_run uuid, p_boot text) returns table (deaths int, lone_deaths int) language plpgsql as $$
declare
  inside int;
begin
  perform set_config('app.tenant', p_tenant::text, true);
  update host set runs_inside = coalesce(runs_inside, (select count(*) from run r where r.host_boot = p_boot and not is_terminal(r.status)))
  where boot_id = p_boot and end_reason = 'crashed' returning runs_inside into inside;
  update run r set deaths = r.deaths + (inside is not null)::int, lone_deaths = r.lone_deaths + coalesce(inside <= 1, false)::int, host_boot = null
  where r.id = p_run and r.host_boot = p_boot;
  return query select r.deaths, r.lone_deaths from run r where r.id = p_run;
end $$;

-- The process that the run had for itself died.
create function note_lone_death(p_tenant uuid, p_run uuid) returns table (deaths int, lone_deaths int) language plpgsql as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  return query update run r set deaths = r.deaths + 1, lone_deaths = r.lone_deaths + 1 where r.id = p_run returning r.deaths, r.lone_deaths;
end $$;

-- Ask for the end of a run: the wish and its outbox line commit together. Answers the row; a run that has ended stays as it is.
create function cancel_run(p_tenant uuid, p_run uuid, p_reason text) returns setof run language plpgsql as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  update run set cancel_requested_at = clock_timestamp(), cancel_reason = p_reason
  where id = p_run and not is_terminal(status) and cancel_requested_at is null;
  if found then
    insert into outbox (tenant_id, run_id, message) values (p_tenant, p_run, 'cancel');
  end if;
  return query select * from run where id = p_run;
end $$;
