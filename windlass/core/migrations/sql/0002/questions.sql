-- Questions: what a run asks people. The row is written by the run's own events, its answer by whoever is first.
create table question (
  id uuid primary key,
  tenant_id uuid not null,
  run_id uuid not null references run on delete cascade,
  key text not null,                           -- like a step's: replay finds the row by it and asks nothing twice
  kind text not null check (kind in ('form', 'approval', 'ask')),
  name text not null,
  data jsonb,
  elements jsonb not null,                     -- the form as it was when the question was asked
  handled boolean not null,                    -- the service has a handler that checks answers
  state text not null default 'open' check (state in ('open', 'answered', 'expired', 'cancelled')),
  attempt int not null,
  asked_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null,
  answers int not null default 0,              -- how often it was answered: a handler that comes late may refuse one
  answered_at timestamptz,
  answered_by uuid,
  answered_by_name text,
  inputs jsonb,                                -- what was filled in
  result jsonb,                                -- what the run gets
  unsettled boolean not null default false,    -- answered, and the handler has yet to make the result of it
  errors jsonb,                                -- why the handler refused the last answer
  kept_from uuid,                              -- the earlier try in which it was asked
  unique (run_id, key)
);
create index question_open on question (tenant_id, asked_at, id) where state = 'open';
create index question_of_run on question (run_id, asked_at);

select windlass_protect('question');

-- A question was asked, asked again, given up or expired.
create function project_question(p_run uuid, p_seq bigint, p jsonb) returns void language plpgsql as $$
begin
  if p->>'state' = 'open' then
    insert into question as q (id, tenant_id, run_id, key, kind, name, data, elements, handled, attempt, expires_at)
    select (p->>'question_id')::uuid, r.tenant_id, p_run, p->>'key', p->>'kind', p->>'name', p->'data', p->'elements',
           coalesce((p->>'handled')::boolean, false), r.attempt, (p->>'expires_at')::timestamptz
    from run r where r.id = p_run
    on conflict (run_id, key) do update set
      state = 'open', attempt = excluded.attempt, elements = excluded.elements, expires_at = excluded.expires_at,
      unsettled = false, errors = p->'errors',
      answered_at = null, answered_by = null, answered_by_name = null
    where q.state in ('expired', 'cancelled') or q.unsettled;
  else
    update question set state = p->>'state' where run_id = p_run and key = p->>'key' and state = 'open';
  end if;
  perform say_whether_awaiting(p_run, 'questions', p_seq);
end $$;

-- An answer that only the handler could make a result of.
create function project_answer(p_run uuid, p jsonb) returns void language sql as $$
  update question set result = p->'result', unsettled = false where run_id = p_run and key = p->>'key' and state = 'answered' and unsettled
$$;

-- `awaiting` while at least one question is open, `running` again when none is; the place makes it said once.
create function say_whether_awaiting(p_run uuid, p_producer text, p_place bigint) returns void language plpgsql as $$
declare
  r run;
  is_open boolean := exists (select from question where run_id = p_run and state = 'open');
  wanted text;
begin
  select * into r from run where id = p_run;
  wanted := case when is_open and r.status in ('starting', 'running') then 'awaiting' when not is_open and r.status = 'awaiting' then 'running' end;
  if wanted is not null then
    perform append_events(r.tenant_id, p_run, null, array[p_producer], array[p_place], array['status'], array[jsonb_build_object('status', wanted)]);
    update run set status = wanted where id = p_run;
  end if;
end $$;

-- Bring the run's row, its steps and its questions up to date with one new event.
create or replace function project_run_event(p_run uuid, p_seq bigint, p_kind text, p_payload jsonb) returns void language plpgsql as $$
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
    if is_terminal(to_status) then
      update question set state = 'cancelled' where run_id = p_run and state = 'open';
    end if;
  when 'step' then
    perform project_step(p_run, p_seq, p_payload);
  when 'question' then
    perform project_question(p_run, p_seq, p_payload);
  when 'answer' then
    perform project_answer(p_run, p_payload);
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

-- The questions of a run as its executor needs them; those whose time is up expire on the way.
create function run_questions(p_tenant uuid, p_run uuid, p_attempt int) returns jsonb language plpgsql as $$
declare
  late question;
  stored record;
begin
  perform set_config('app.tenant', p_tenant::text, true);
  if exists (select from question where run_id = p_run and state = 'open' and expires_at <= clock_timestamp()) then
    perform from stream where id = p_run for no key update;  -- whoever answers at this moment comes before or after
    for late in select * from question where run_id = p_run and state = 'open' and expires_at <= clock_timestamp() order by expires_at loop
      for stored in select * from run_append(p_tenant, p_run, null, array['expiry:' || late.key], array[late.attempt::bigint], array['question'],
        array[jsonb_build_object('question_id', late.id, 'key', late.key, 'kind', late.kind, 'name', late.name,
                                 'expires_at', late.expires_at, 'state', 'expired')]) loop
        null;
      end loop;
    end loop;
  end if;
  return coalesce((select jsonb_agg(jsonb_build_object('key', key, 'question_id', id, 'state', state, 'result', result, 'inputs', inputs,
                     'unsettled', unsettled, 'by', answered_by_name, 'answers', answers, 'expires_at', expires_at) order by asked_at)
                   from question where run_id = p_run and (state in ('open', 'answered') or attempt = p_attempt)), '[]');
end $$;

-- Answer a question: the row, its events and the outbox line commit together. The first one wins; `is_first` says whether it was this one.
create function answer_question(p_tenant uuid, p_question uuid, p_by uuid, p_by_name text, p_inputs jsonb, p_result jsonb, p_shown jsonb, p_unsettled boolean)
returns table (is_first boolean, state text, answered_by_name text, answered_at timestamptz, run_id uuid, seq bigint) language plpgsql as $$
#variable_conflict use_column
declare
  q question;
begin
  perform set_config('app.tenant', p_tenant::text, true);
  perform from stream where id = (select run_id from question where id = p_question) for no key update;  -- before the row, as every writer
  select * into q from question where id = p_question;
  if q.state = 'open' and q.expires_at > clock_timestamp() then
    update question set state = 'answered', answers = q.answers + 1, answered_at = clock_timestamp(), answered_by = p_by, answered_by_name = p_by_name,
                        inputs = p_inputs, result = p_result, unsettled = p_unsettled, errors = null
    where id = p_question returning * into q;
    if not p_unsettled then
      perform append_events(p_tenant, q.run_id, null, array['answer:' || q.key], array[q.answers::bigint], array['answer'], array[p_shown]);
    end if;
    perform say_whether_awaiting(q.run_id, 'answers', (select last_seq from stream where id = q.run_id));
    insert into outbox (tenant_id, run_id, message) values (p_tenant, q.run_id, 'answer ' || p_question);
    return query select true, q.state, q.answered_by_name, q.answered_at, q.run_id, (select last_seq from stream where id = q.run_id);
  else
    return query select false, case when q.state = 'open' then 'expired' else q.state end, q.answered_by_name, q.answered_at, q.run_id, 0::bigint;
  end if;
end $$;

-- A new try begins with the answers of the old one, like with its steps.
create function copy_answers(p_old uuid, p_new uuid, p_before timestamptz) returns void language sql as $$
  insert into question (id, tenant_id, run_id, key, kind, name, data, elements, handled, state, attempt, asked_at, expires_at, answers, answered_at,
                        answered_by, answered_by_name, inputs, result, unsettled, kept_from)
  select gen_random_uuid(), tenant_id, p_new, key, kind, name, data, elements, handled, state, 1, asked_at, expires_at, answers, answered_at,
         answered_by, answered_by_name, inputs, result, unsettled, coalesce(kept_from, run_id)
  from question where run_id = p_old and state = 'answered' and (p_before is null or answered_at <= p_before)
$$;
