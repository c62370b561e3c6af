-- Sessions: conversations with a model. What was said and done is in a session's stream; its row says where it stands.
-- Every writer takes the stream's row first, then the session's.
create table session (
  id uuid primary key,                         -- also the id of its stream
  tenant_id uuid not null,
  owner uuid not null,
  owner_name text not null default '',
  driver text not null,
  agent text,                                  -- the saved agent it was opened with, and its version
  agent_version int,
  title text not null,
  settings jsonb not null,
  metadata jsonb not null default '{}',
  status text not null default 'idle',         -- idle running awaiting archived
  turn int not null default 0,                 -- of the last turn begun
  interrupted int not null default 0,          -- the last turn that somebody wanted to end
  said int not null default 0,                 -- messages of people
  error jsonb,                                 -- of the last turn
  standin boolean not null default false,
  model_calls int not null default 0,
  input_tokens bigint not null default 0,
  output_tokens bigint not null default 0,
  cached_tokens bigint not null default 0,
  context_tokens bigint not null default 0,    -- what the last call read and wrote
  cost_usd numeric,
  created_at timestamptz not null default clock_timestamp(),
  active_at timestamptz not null default clock_timestamp(),
  began_at timestamptz,                        -- the last turn
  archived_at timestamptz,
  deleted_at timestamptz
);
create index session_list on session (tenant_id, created_at desc, id desc) where deleted_at is null;
create index session_at_work on session (tenant_id, owner) where status in ('running', 'awaiting');

-- What people said, in order: a turn takes up what waits. The words are in the event at `seq`.
create table session_message (
  session_id uuid not null references session on delete cascade,
  id uuid not null,                            -- the client's: the same id twice is one message
  tenant_id uuid not null,
  place int not null,
  seq bigint not null,
  turn int,
  at timestamptz not null default clock_timestamp(),
  withdrawn_at timestamptz,
  primary key (session_id, id)
);
create index session_message_waiting on session_message (at) where turn is null and withdrawn_at is null;
create index session_message_seq on session_message (session_id, seq);

select windlass_protect('session');
select windlass_protect('session_message');
select windlass_allow('session', 'windlass_jobs', '{select}');
select windlass_allow('session_message', 'windlass_jobs', '{select}');

-- Add one event of the session itself, after everything that is there. Answers its seq.
create function session_event(p_tenant uuid, p_session uuid, p_kind text, p_payload jsonb) returns bigint language plpgsql as $$
declare
  place bigint;
begin
  select last_seq + 1 into place from stream where id = p_session and tenant_id = p_tenant for no key update;
  return (select seq from append_events(p_tenant, p_session, null, array['session'], array[place], array[p_kind], array[p_payload]));
end $$;

-- Open a session. The same id again: nothing changes.
create function open_session(p_tenant uuid, p jsonb) returns setof session language plpgsql as $$
declare
  new_id uuid := (p->>'id')::uuid;
begin
  if open_stream(p_tenant, new_id, 'session') then
    insert into session (id, tenant_id, owner, owner_name, driver, agent, agent_version, title, settings, metadata)
    values (new_id, p_tenant, (p->>'owner')::uuid, p->>'owner_name', p->>'driver', p->>'agent', (p->>'agent_version')::int,
            p->>'title', p->'settings', p->'metadata');
    perform session_event(p_tenant, new_id, 'status', '{"status": "idle"}');
  end if;
  return query select * from session where id = new_id and tenant_id = p_tenant;
end $$;

-- Put a message into the session's log and queue. Null: there is no such session. `refused` says why nothing was kept.
create function say_in_session(p_tenant uuid, p_session uuid, p jsonb, p_payload jsonb, p_most int, p_per_person int) returns jsonb language plpgsql as $$
declare
  s session;
  m session_message;
  refused text;
begin
  perform set_config('app.tenant', p_tenant::text, true);
  perform from stream where id = p_session and tenant_id = p_tenant for no key update;
  select * into s from session where id = p_session and deleted_at is null for no key update;
  if not found then
    return null;
  end if;
  select * into m from session_message where session_id = p_session and id = (p->>'id')::uuid;
  if found then
    return to_jsonb(m) || '{"is_new": false}';
  end if;
  refused := case
    when s.archived_at is not null then 'closed'
    when (p->>'expected_turn')::int <> s.turn then 'stale'
    when (select count(*) from session_message where session_id = p_session and turn is null and withdrawn_at is null) >= p_most then 'busy'
    when s.status = 'idle' and (select count(*) from session where owner = s.owner and status in ('running', 'awaiting')) >= p_per_person then 'many'
  end;
  if refused is not null then
    return jsonb_build_object('refused', refused, 'turn', s.turn);
  end if;
  insert into session_message (session_id, id, tenant_id, place, seq)
  values (p_session, (p->>'id')::uuid, p_tenant, s.said + 1, session_event(p_tenant, p_session, 'message', p_payload)) returning * into m;
  update session set said = said + 1, active_at = clock_timestamp() where id = p_session;
  return to_jsonb(m) || '{"is_new": true}';
end $$;

-- Take back a message that no turn has taken up. False: it is too late, or there is none.
create function withdraw_message(p_tenant uuid, p_session uuid, p_message uuid, p_by text) returns boolean language plpgsql as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  perform from stream where id = p_session and tenant_id = p_tenant for no key update;
  update session_message set withdrawn_at = clock_timestamp() where session_id = p_session and id = p_message and turn is null and withdrawn_at is null;
  if not found then
    return false;
  end if;
  perform session_event(p_tenant, p_session, 'log', jsonb_build_object('level', 'info', 'withdrawn', p_message, 'text', p_by || ' took a message back.'));
  return true;
end $$;

-- The turn to work on: the one under way, else a new one with every message that waits. Number 0: nothing waits.
create function begin_turn(p_tenant uuid, p_session uuid) returns jsonb language plpgsql as $$
declare
  s session;
  took uuid[];
begin
  perform set_config('app.tenant', p_tenant::text, true);
  perform from stream where id = p_session and tenant_id = p_tenant for no key update;
  select * into s from session where id = p_session and deleted_at is null for no key update;
  if s.status = 'idle' then
    select array_agg(id order by place) into took from session_message where session_id = p_session and turn is null and withdrawn_at is null;
  end if;
  if took is not null then
    update session set turn = turn + 1, status = 'running', began_at = clock_timestamp(), error = null where id = p_session returning * into s;
    update session_message set turn = s.turn where session_id = p_session and id = any (took);
    perform session_event(p_tenant, p_session, 'status', jsonb_build_object('status', 'running', 'turn', s.turn, 'took', took));
  end if;
  return jsonb_build_object(
    'number', case when s.status in ('running', 'awaiting') then s.turn else 0 end,
    'taken', coalesce((select max(place) from session_message where session_id = p_session and turn is not null), 0),
    'seq', (select last_seq from stream where id = p_session));
end $$;

-- A turn has come to its end. The second time nothing changes. Answers the seq of its event.
create function seal_turn(p_tenant uuid, p_session uuid, p_turn int, p_end text, p_error jsonb) returns bigint language plpgsql as $$
declare
  s session;
  goes_to text;
begin
  perform set_config('app.tenant', p_tenant::text, true);
  perform from stream where id = p_session and tenant_id = p_tenant for no key update;
  select * into s from session where id = p_session and deleted_at is null for no key update;
  if s.turn is distinct from p_turn or s.status not in ('running', 'awaiting') then
    return null;
  end if;
  goes_to := case when s.archived_at is null then 'idle' else 'archived' end;
  update session set status = goes_to, error = p_error, active_at = clock_timestamp() where id = p_session;
  if p_error is not null then
    perform session_event(p_tenant, p_session, 'error', p_error || jsonb_build_object('turn', p_turn));
  end if;
  return session_event(p_tenant, p_session, 'status', jsonb_build_object('status', goes_to, 'turn', p_turn, 'end', p_end));
end $$;

-- Append what a turn brings, and keep the row true, in one transaction. Same answer as append_events.
create function session_append(p_tenant uuid, p_session uuid, p_producers text[], p_pseqs bigint[], p_kinds text[], p_payloads jsonb[])
returns table (n int, seq bigint, same boolean, fresh boolean) language plpgsql as $$
declare
  stored record;
begin
  for stored in select * from append_events(p_tenant, p_session, null, p_producers, p_pseqs, p_kinds, p_payloads) loop
    if stored.fresh then
      perform project_session_event(p_session, p_kinds[stored.n], p_payloads[stored.n]);
    end if;
    n := stored.n; seq := stored.seq; same := stored.same; fresh := stored.fresh;
    return next;
  end loop;
end $$;

create function project_session_event(p_session uuid, p_kind text, p jsonb) returns void language plpgsql as $$
begin
  if p_kind = 'usage' then
    update session set
      model_calls = model_calls + 1,
      input_tokens = input_tokens + coalesce((p->>'input_tokens')::bigint, 0),
      output_tokens = output_tokens + coalesce((p->>'output_tokens')::bigint, 0),
      cached_tokens = cached_tokens + coalesce((p->>'cache_read_tokens')::bigint, 0),
      context_tokens = coalesce((p->>'input_tokens')::bigint, 0) + coalesce((p->>'output_tokens')::bigint, 0)
        + coalesce((p->>'cache_read_tokens')::bigint, 0) + coalesce((p->>'cache_write_tokens')::bigint, 0),
      cost_usd = case when p->>'cost_usd' is null then cost_usd else coalesce(cost_usd, 0) + (p->>'cost_usd')::numeric end
    where id = p_session;
  elsif p_kind = 'message' then
    update session set standin = true where id = p_session and not standin and (p->>'standin')::boolean;
  end if;
end $$;

-- What a turn needs to know of its session. Null: it was deleted, or has moved on.
create function look_at_turn(p_tenant uuid, p_session uuid, p_turn int) returns jsonb language plpgsql as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  return (select jsonb_build_object('settings', settings, 'is_interrupted', interrupted >= p_turn, 'cost_usd', cost_usd::float,
                                    'age_s', extract(epoch from clock_timestamp() - began_at)::float, 'owner', owner, 'owner_name', owner_name)
          from session where id = p_session and turn = p_turn and status in ('running', 'awaiting') and deleted_at is null);
end $$;

-- End the turn that is under way. False: there is none, or that was asked for before.
create function interrupt_session(p_tenant uuid, p_session uuid, p_by text) returns boolean language plpgsql as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  perform from stream where id = p_session and tenant_id = p_tenant for no key update;
  update session set interrupted = turn where id = p_session and status in ('running', 'awaiting') and interrupted < turn;
  if not found then
    return false;
  end if;
  perform session_event(p_tenant, p_session, 'log', jsonb_build_object('level', 'info', 'text', p_by || ' interrupted the turn.'));
  return true;
end $$;

-- Put a session away, or take it up again. One that works is interrupted first. Answers the row.
create function archive_session(p_tenant uuid, p_session uuid, p_archived boolean, p_by text) returns setof session language plpgsql as $$
declare
  s session;
begin
  perform set_config('app.tenant', p_tenant::text, true);
  perform from stream where id = p_session and tenant_id = p_tenant for no key update;
  select * into s from session where id = p_session and deleted_at is null for no key update;
  if p_archived <> (s.archived_at is not null) then
    if p_archived then
      perform interrupt_session(p_tenant, p_session, p_by);
    end if;
    update session set archived_at = case when p_archived then clock_timestamp() end, active_at = clock_timestamp(),
      status = case when status in ('running', 'awaiting') then status when p_archived then 'archived' else 'idle' end
    where id = p_session returning * into s;
    if s.status in ('idle', 'archived') then
      perform session_event(p_tenant, p_session, 'status', jsonb_build_object('status', s.status, 'by', p_by));
    end if;
  end if;
  return query select * from session where id = p_session and deleted_at is null;
end $$;

-- Delete a session: its stream ends. False: there is none.
create function delete_session(p_tenant uuid, p_session uuid) returns boolean language plpgsql as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  perform from stream where id = p_session and tenant_id = p_tenant for no key update;
  update session set deleted_at = clock_timestamp(), interrupted = turn, status = 'archived' where id = p_session and deleted_at is null;
  if not found then
    return false;
  end if;
  perform session_event(p_tenant, p_session, 'status', '{"status": "finished", "reason": "deleted"}');
  return true;
end $$;
