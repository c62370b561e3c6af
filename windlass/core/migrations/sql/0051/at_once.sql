-- As before, but that sessions count as at work as soon as somebody has said something in them: who says much at once, before
-- their turns begin, is bounded too. One message of a person after the other is counted.
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
    return to_jsonb(m) || '{"is_new": false}';
  end if;
  if s.status = 'idle' then
    perform pg_advisory_xact_lock(hashtextextended('at once:' || s.owner, 0));
    select count(*) into at_work from (
      select id from session where owner = s.owner and status in ('running', 'awaiting')
      union
      select w.session_id from session_message w join session o on o.id = w.session_id
      where w.turn is null and w.withdrawn_at is null and o.owner = s.owner and o.status = 'idle' and o.deleted_at is null
    ) others where id <> p_session;
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
