-- Approvals: questions that a turn of a session asks before it uses a tool. A question belongs to a run or to a session.
alter table question alter column run_id drop not null;
alter table question
  add column session_id uuid references session on delete cascade,
  add constraint question_of_one check ((run_id is null) <> (session_id is null)),
  add constraint question_session_key unique (session_id, key);
create index question_unheard on question (answered_at) where session_id is not null and unsettled;
select windlass_allow('question', 'windlass_jobs', '{select}');

-- `awaiting` while at least one question of the session is open, `running` again when none is.
create function say_whether_session_waits(p_tenant uuid, p_session uuid) returns void language plpgsql as $$
declare
  s session;
  is_open boolean := exists (select from question where session_id = p_session and state = 'open');
  wanted text;
begin
  select * into s from session where id = p_session;
  wanted := case when is_open and s.status = 'running' then 'awaiting' when not is_open and s.status = 'awaiting' then 'running' end;
  if wanted is not null then
    update session set status = wanted where id = p_session;
    perform session_event(p_tenant, p_session, 'status', jsonb_build_object('status', wanted, 'turn', s.turn));
  end if;
end $$;

-- Where the approval of a use of a tool stands; asked for if it was not, expired if its time is up. Null: the session is gone.
create function ask_in_session(p_tenant uuid, p_session uuid, p_turn int, p jsonb) returns jsonb language plpgsql as $$
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
  values ((p->>'id')::uuid, p_tenant, p_session, p->>'key', 'approval', p->>'name', p->'data', p->'elements', false, p_turn,
          clock_timestamp() + make_interval(secs => (p->>'timeout_s')::float))
  on conflict (session_id, key) do nothing returning * into q;
  if found then
    perform session_event(p_tenant, p_session, 'approval.requested', jsonb_build_object('question_id', q.id, 'turn', p_turn, 'name', q.name,
                          'call', q.data, 'expires_at', q.expires_at));
  else
    select * into q from question where session_id = p_session and key = p->>'key';
    if q.state = 'open' and q.expires_at <= clock_timestamp() then
      update question set state = 'expired' where id = q.id returning * into q;
      perform session_event(p_tenant, p_session, 'approval.decided', jsonb_build_object('question_id', q.id, 'turn', p_turn, 'decision', 'expired'));
    elsif q.unsettled then
      update question set unsettled = false where id = q.id;  -- heard
    end if;
  end if;
  perform say_whether_session_waits(p_tenant, p_session);
  return jsonb_build_object('state', q.state, 'result', q.result, 'by', q.answered_by_name, 'sha256', q.data->>'sha256',
                            'left_s', extract(epoch from q.expires_at - clock_timestamp())::float);
end $$;

-- Decide about a use of a tool. The first decision stands; `unsettled` until the turn has heard of it.
create function answer_session_question(p_tenant uuid, p_question uuid, p_by uuid, p_by_name text, p_inputs jsonb)
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
    perform session_event(p_tenant, q.session_id, 'approval.decided', jsonb_strip_nulls(jsonb_build_object('question_id', q.id, 'turn', q.attempt,
                          'decision', p_inputs->>'decision', 'why', p_inputs->>'why', 'by', p_by_name)));
    perform say_whether_session_waits(p_tenant, q.session_id);
    return query select true, q.state, q.answered_by_name, q.answered_at, (select last_seq from stream where id = q.session_id);
  else
    return query select false, case when q.state = 'open' then 'expired' else q.state end, q.answered_by_name, q.answered_at, 0::bigint;
  end if;
end $$;

-- A turn has come to its end, and with it what it asked. The second time nothing changes. Answers the seq of its event.
create or replace function seal_turn(p_tenant uuid, p_session uuid, p_turn int, p_end text, p_error jsonb) returns bigint language plpgsql as $$
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
  update question set state = 'cancelled' where session_id = p_session and state = 'open';
  goes_to := case when s.archived_at is null then 'idle' else 'archived' end;
  update session set status = goes_to, error = p_error, active_at = clock_timestamp() where id = p_session;
  if p_error is not null then
    perform session_event(p_tenant, p_session, 'error', p_error || jsonb_build_object('turn', p_turn));
  end if;
  return session_event(p_tenant, p_session, 'status', jsonb_build_object('status', goes_to, 'turn', p_turn, 'end', p_end));
end $$;
