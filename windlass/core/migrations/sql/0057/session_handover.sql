-- Whether a turn is under way, or about to begin with what waits.
create function is_session_at_work(s session) returns boolean language sql stable as $$
  select s.deleted_at is null and (s.status in ('running', 'awaiting') or s.status = 'idle' and exists (
    select from session_message m where m.session_id = s.id and m.turn is null and m.withdrawn_at is null))
$$;

-- Make a session somebody else's. Null: there is none. `many`: it is at work, and so are as many of theirs as may be.
create function hand_session_over(p_tenant uuid, p_session uuid, p_to uuid, p_name text, p_by text, p_per_person int) returns text language plpgsql as $$
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
  if is_session_at_work(s) and (select count(*) from session o where o.owner = p_to and is_session_at_work(o)) >= p_per_person then
    return 'many';
  end if;
  update session set owner = p_to, owner_name = p_name where id = p_session;
  perform session_event(p_tenant, p_session, 'log', jsonb_build_object(
    'level', 'info', 'owner', p_to, 'text', p_by || ' handed the session over to ' || p_name || '.'));
  return 'done';
end $$;
