-- Messages that the turn under way takes up at its next step, and questions that a turn does not ask any more.
alter table session_message add column steers int;  -- the turn that it was said to

-- Put a message into the session's log and queue. Null: there is no such session. `refused` says why nothing was kept.
create or replace function say_in_session(p_tenant uuid, p_session uuid, p jsonb, p_payload jsonb, p_most int, p_per_person int) returns jsonb language plpgsql as $$
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
  insert into session_message (session_id, id, tenant_id, place, seq, steers)
  values (p_session, (p->>'id')::uuid, p_tenant, s.said + 1, session_event(p_tenant, p_session, 'message', p_payload),
          case when (p->>'steers')::boolean and s.status in ('running', 'awaiting') then s.turn end) returning * into m;
  update session set said = said + 1, active_at = clock_timestamp() where id = p_session;
  return to_jsonb(m) || '{"is_new": true}';
end $$;

-- Have a turn take up what was said to it meanwhile. The second time there is nothing. Answers how many messages there were.
create function take_steering(p_tenant uuid, p_session uuid, p_turn int) returns int language plpgsql as $$
declare
  took uuid[];
begin
  perform set_config('app.tenant', p_tenant::text, true);
  perform from stream where id = p_session and tenant_id = p_tenant for no key update;
  perform from session where id = p_session and turn = p_turn and status in ('running', 'awaiting') and deleted_at is null;
  if not found then
    return 0;
  end if;
  select array_agg(id order by place) into took
  from session_message where session_id = p_session and steers = p_turn and turn is null and withdrawn_at is null;
  if took is null then
    return 0;
  end if;
  update session_message set turn = p_turn where session_id = p_session and id = any (took);
  perform session_event(p_tenant, p_session, 'status', jsonb_build_object('status', (select status from session where id = p_session),
                        'turn', p_turn, 'took', took, 'steered', true));
  return cardinality(took);
end $$;

-- What a turn needs to know of its session. Null: it was deleted, or has moved on.
create or replace function look_at_turn(p_tenant uuid, p_session uuid, p_turn int) returns jsonb language plpgsql as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  return (select jsonb_build_object('settings', settings, 'is_interrupted', interrupted >= p_turn, 'cost_usd', cost_usd::float,
                                    'age_s', extract(epoch from clock_timestamp() - began_at - waited
                                                     - coalesce(clock_timestamp() - awaiting_since, '0'))::float,
                                    'owner', owner, 'owner_name', owner_name, 'is_awaiting', status = 'awaiting',
                                    'is_steered', exists (select from session_message where session_id = p_session and steers = p_turn
                                                          and turn is null and withdrawn_at is null))
          from session where id = p_session and turn = p_turn and status in ('running', 'awaiting') and deleted_at is null);
end $$;

-- Take back what a turn asks: it can go on without. The second time nothing changes.
create function withdraw_session_questions(p_tenant uuid, p_session uuid, p_turn int) returns void language plpgsql as $$
declare
  q question;
begin
  perform set_config('app.tenant', p_tenant::text, true);
  perform from stream where id = p_session and tenant_id = p_tenant for no key update;
  for q in update question set state = 'cancelled' where session_id = p_session and attempt = p_turn and state = 'open' returning * loop
    perform tell_session_question(p_tenant, q);
  end loop;
  perform say_whether_session_waits(p_tenant, p_session);
end $$;

-- Let a session cost more. The second time, or if it may already, nothing changes.
create function raise_session_budget(p_tenant uuid, p_session uuid, p_budget float) returns void language plpgsql as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  update session set settings = settings || jsonb_build_object('budget_usd', p_budget)
  where id = p_session and (settings->>'budget_usd')::float < p_budget;
end $$;
