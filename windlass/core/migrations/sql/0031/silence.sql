-- Sessions in which nothing happens: a turn that nobody answers ends, and what nobody came back to is put away.
create index session_silent on session (active_at) where status = 'idle' and archived_at is null and deleted_at is null;

-- End a turn that has waited for people for so long. False: it goes on, or has ended. Checked again under the session's lock.
create function end_silent_turn(p_tenant uuid, p_session uuid, p_silent interval, p_by text) returns boolean language plpgsql as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  perform from stream where id = p_session and tenant_id = p_tenant for no key update;
  perform from session where id = p_session and status = 'awaiting' and awaiting_since < clock_timestamp() - p_silent and deleted_at is null;
  if not found then
    return false;
  end if;
  return interrupt_session(p_tenant, p_session, p_by);
end $$;

-- Put a session away to which nobody has come back for so long. False: somebody has. Checked again under the session's lock.
create function put_silent_session_away(p_tenant uuid, p_session uuid, p_silent interval, p_by text) returns boolean language plpgsql as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  perform from stream where id = p_session and tenant_id = p_tenant for no key update;
  perform from session where id = p_session and status = 'idle' and active_at < clock_timestamp() - p_silent and archived_at is null and deleted_at is null;
  if not found then
    return false;
  end if;
  perform archive_session(p_tenant, p_session, true, p_by);
  return true;
end $$;
