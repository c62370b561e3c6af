-- Write down that the container of that number has ended, before the task that was at work in it is over: otherwise the
-- desktop would be idle for a moment, and call the next task. Answers the seq of the event; null when nothing changed,
-- because it is known, or the container was ended on purpose, or another one is on its way.
create function lose_desktop(p_tenant uuid, p_desktop uuid, p_generation int, p_reason text) returns bigint language plpgsql as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  update desktop set status = 'lost', reason = p_reason, container = null, address = null, status_at = clock_timestamp()
  where id = p_desktop and generation = p_generation and status in ('idle', 'busy', 'paused')
    and wish in ('on', 'paused') and heard >= revision and coalesce(expires_at > clock_timestamp(), true);
  if not found then
    return null;
  end if;
  return desktop_event(p_tenant, p_desktop, jsonb_build_object('status', 'lost', 'reason', p_reason));
end $$;
