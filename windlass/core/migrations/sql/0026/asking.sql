-- What a model asks people in a turn, beside approvals: a question of the kind `ask`. Waiting for people counts for no time limit.
alter table session
  add column awaiting_since timestamptz,
  add column waited interval not null default '0';  -- of the turn under way

-- `awaiting` while at least one question of the session is open, `running` again when none is.
create or replace function say_whether_session_waits(p_tenant uuid, p_session uuid) returns void language plpgsql as $$
declare
  s session;
  is_open boolean := exists (select from question where session_id = p_session and state = 'open');
  wanted text;
begin
  select * into s from session where id = p_session;
  wanted := case when is_open and s.status = 'running' then 'awaiting' when not is_open and s.status = 'awaiting' then 'running' end;
  if wanted is not null then
    update session set status = wanted,
      waited = waited + case when wanted = 'running' then coalesce(clock_timestamp() - awaiting_since, '0') else '0' end,
      awaiting_since = case when wanted = 'awaiting' then clock_timestamp() end
    where id = p_session;
    perform session_event(p_tenant, p_session, 'status', jsonb_build_object('status', wanted, 'turn', s.turn));
  end if;
end $$;

-- What a turn needs to know of its session. Null: it was deleted, or has moved on.
create or replace function look_at_turn(p_tenant uuid, p_session uuid, p_turn int) returns jsonb language plpgsql as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  return (select jsonb_build_object('settings', settings, 'is_interrupted', interrupted >= p_turn, 'cost_usd', cost_usd::float,
                                    'age_s', extract(epoch from clock_timestamp() - began_at - waited
                                                     - coalesce(clock_timestamp() - awaiting_since, '0'))::float,
                                    'owner', owner, 'owner_name', owner_name)
          from session where id = p_session and turn = p_turn and status in ('running', 'awaiting') and deleted_at is null);
end $$;

-- The turn to work on: the one under way, else a new one with every message that waits. Number 0: nothing waits.
create or replace function begin_turn(p_tenant uuid, p_session uuid) returns jsonb language plpgsql as $$
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
    update session set turn = turn + 1, status = 'running', began_at = clock_timestamp(), waited = '0', awaiting_since = null, error = null
    where id = p_session returning * into s;
    update session_message set turn = s.turn where session_id = p_session and id = any (took);
    perform session_event(p_tenant, p_session, 'status', jsonb_build_object('status', 'running', 'turn', s.turn, 'took', took));
  end if;
  return jsonb_build_object(
    'number', case when s.status in ('running', 'awaiting') then s.turn else 0 end,
    'taken', coalesce((select max(place) from session_message where session_id = p_session and turn is not null), 0),
    'seq', (select last_seq from stream where id = p_session));
end $$;

-- Say in the session's log what a question has become: asked, or come to its end.
create function tell_session_question(p_tenant uuid, q question) returns void language plpgsql as $$
declare
  known jsonb := jsonb_build_object('question_id', q.id, 'turn', q.attempt);
  kind text;
  said jsonb;
begin
  if q.kind = 'approval' then
    kind := case q.state when 'open' then 'approval.requested' else 'approval.decided' end;
    said := case q.state
      when 'open' then jsonb_build_object('name', q.name, 'call', q.data, 'expires_at', q.expires_at)
      when 'answered' then jsonb_strip_nulls(jsonb_build_object('decision', q.result->>'decision', 'why', q.result->>'why', 'by', q.answered_by_name))
      else jsonb_build_object('decision', q.state) end;
  else
    kind := case q.state when 'answered' then 'answer' else 'question' end;
    said := case q.state
      when 'open' then jsonb_build_object('key', q.key, 'kind', q.kind, 'name', q.name, 'data', q.data, 'elements', q.elements,
                                          'handled', false, 'expires_at', q.expires_at, 'state', q.state)
      when 'answered' then jsonb_build_object('name', q.name, 'result', q.result, 'by', q.answered_by_name)
      else jsonb_build_object('key', q.key, 'expires_at', q.expires_at, 'state', q.state) end;
  end if;
  perform session_event(p_tenant, q.session_id, kind, known || said);
end $$;

-- Where what a turn asks people stands; asked if it was not, expired if its time is up. Null: the session is gone.
create or replace function ask_in_session(p_tenant uuid, p_session uuid, p_turn int, p jsonb) returns jsonb language plpgsql as $$
declare
  q question;
begin
  perform set_config('app.tenant', p_tenant::text, true);
  perform from stream where id = p_session and tenant_id = p_tenant for no key update;
  perform from session where id = p_session and turn = p_turn and status in ('running', 'awaiting') and deleted_at is null;
  if not found then
    return null;
  end if;
  insert into question (id, tenant_id, session_id, key, kind, name, data, elements, handled, attempt, expires_at)
  values ((p->>'id')::uuid, p_tenant, p_session, p->>'key', coalesce(p->>'kind', 'approval'), p->>'name', p->'data', p->'elements', false, p_turn,
          clock_timestamp() + make_interval(secs => (p->>'timeout_s')::float))
  on conflict (session_id, key) do nothing returning * into q;
  if found then
    perform tell_session_question(p_tenant, q);
  else
    select * into q from question where session_id = p_session and key = p->>'key';
    if q.state = 'open' and q.expires_at <= clock_timestamp() then
      update question set state = 'expired' where id = q.id returning * into q;
      perform tell_session_question(p_tenant, q);
    elsif q.unsettled then
      update question set unsettled = false where id = q.id;  -- heard
    end if;
  end if;
  perform say_whether_session_waits(p_tenant, p_session);
  return jsonb_build_object('state', q.state, 'result', q.result, 'by', q.answered_by_name, 'sha256', q.data->>'sha256',
                            'left_s', extract(epoch from q.expires_at - clock_timestamp())::float);
end $$;

-- Answer what a turn asks. The first answer stands; `unsettled` until the turn has heard of it.
drop function answer_session_question(uuid, uuid, uuid, text, jsonb);
create function answer_session_question(p_tenant uuid, p_question uuid, p_by uuid, p_by_name text, p_inputs jsonb, p_shown jsonb)
returns table (is_first boolean, state text, answered_by_name text, answered_at timestamptz, seq bigint) language plpgsql as $$
#variable_conflict use_column
declare
  q question;
begin
  perform set_config('app.tenant', p_tenant::text, true);
  perform from stream where id = (select session_id from question where id = p_question) for no key update;
  select * into q from question where id = p_question;
  if q.state = 'open' and q.expires_at > clock_timestamp() then
    update question set state = 'answered', answers = q.answers + 1, answered_at = clock_timestamp(), answered_by = p_by, answered_by_name = p_by_name,
                        inputs = p_inputs, result = p_inputs, unsettled = true
    where id = p_question returning * into q;
    q.result := case when q.kind = 'approval' then q.result else p_shown end;  -- an event has less room
    perform tell_session_question(p_tenant, q);
    perform say_whether_session_waits(p_tenant, q.session_id);
    return query select true, q.state, q.answered_by_name, q.answered_at, (select last_seq from stream where id = q.session_id);
  else
    return query select false, case when q.state = 'open' then 'expired' else q.state end, q.answered_by_name, q.answered_at, 0::bigint;
  end if;
end $$;
