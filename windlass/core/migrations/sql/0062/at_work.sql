-- The sessions of a person in which a turn is under way, or about to begin with what waits: the one rule of how many there may be.
create function sessions_at_work(p_owner uuid) returns setof uuid language sql stable as $$
  select id from session where owner = p_owner and status in ('running', 'awaiting') and deleted_at is null
  union
  select m.session_id from session_message m join session s on s.id = m.session_id
  where m.turn is null and m.withdrawn_at is null and s.owner = p_owner and s.status = 'idle' and s.deleted_at is null
$$;

-- As before, by that rule; and a message that comes again says whether it is what was said under its id. What is archived is taken for it.
create or replace function say_in_session(p_tenant uuid, p_session uuid, p jsonb, p_payload jsonb, p_most int, p_per_person int) returns jsonb language plpgsql as $$
declare
  s session;
  m session_message;
  refused text;
  at_work int;
begin
  perform set_config('app.tenant', p_tenant::text, true);
  perform from stream where id = p_session and tenant_id = p_tenant for no key update;
  select * into s from session where id = p_session and deleted_at is null for no key update;
  if not found then
    return null;
  end if;
  select * into m from session_message where session_id = p_session and id = (p->>'id')::uuid;
  if found then
    return to_jsonb(m) || jsonb_build_object('is_new', false, 'is_same', not exists (
      select from event e where e.stream_id = p_session and e.seq = m.seq and e.payload - 'name' <> p_payload - 'name'));
  end if;
  if s.status = 'idle' then
    perform pg_advisory_xact_lock(hashtextextended('at once:' || s.owner, 0));
    select count(*) into at_work from sessions_at_work(s.owner) other where other <> p_session;
  end if;
  refused := case
    when s.archived_at is not null then 'closed'
    when (p->>'expected_turn')::int <> s.turn then 'stale'
    when (select count(*) from session_message where session_id = p_session and turn is null and withdrawn_at is null) >= p_most then 'busy'
    when at_work >= p_per_person then 'many'
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

-- As before, by that rule.
create or replace function hand_session_over(p_tenant uuid, p_session uuid, p_to uuid, p_name text, p_by text, p_per_person int) returns text language plpgsql as $$
declare
  s session;
begin
  perform set_config('app.tenant', p_tenant::text, true);
  perform from stream where id = p_session and tenant_id = p_tenant for no key update;
  select * into s from session where id = p_session and deleted_at is null for no key update;
  if s.id is null or s.owner = p_to then
    return case when s.id is not null then 'same' end;
  end if;
  perform pg_advisory_xact_lock(hashtextextended('at once:' || p_to, 0));
  if p_session in (select sessions_at_work(s.owner)) and (select count(*) from sessions_at_work(p_to)) >= p_per_person then
    return 'many';
  end if;
  update session set owner = p_to, owner_name = p_name where id = p_session;
  perform session_event(p_tenant, p_session, 'log', jsonb_build_object(
    'level', 'info', 'owner', p_to, 'text', p_by || ' handed the session over to ' || p_name || '.'));
  return 'done';
end $$;
drop function is_session_at_work(session);
