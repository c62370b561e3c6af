-- Whoever has the screen of a desktop and goes away gives it up: the log says so, and whose turn it is hears of it.
create index desktop_in_hand on desktop (held_until) where holder is not null;

-- End a lease that nobody renewed; answers the seq of its event, null where there is none to end.
create function lapse_desktop(p_tenant uuid, p_desktop uuid) returns bigint language plpgsql as $$
declare
  d desktop;
begin
  perform set_config('app.tenant', p_tenant::text, true);
  select * into d from desktop where id = p_desktop for no key update;
  if d.holder is null or d.held_until > clock_timestamp() then
    return null;
  end if;
  update desktop set holder = null, holder_name = '', held_at = null, handed_at = greatest(handed_at, held_until) where id = p_desktop;
  if d.deleted_at is not null then
    return null;
  end if;
  return desktop_event(p_tenant, p_desktop,
    jsonb_build_object('status', d.status, 'reason', d.holder_name || ' went away from the screen, and gave it up'));
end $$;

-- What the daily cleanup removed, for those whose it was.
create table screenshot_cleanup (
  tenant_id uuid not null,
  day date not null,
  screenshots int not null,
  freed_bytes bigint not null,
  at timestamptz not null default clock_timestamp(),
  primary key (tenant_id, day)
);
select windlass_protect('screenshot_cleanup');
revoke insert, update, delete on screenshot_cleanup from windlass_app;
select windlass_allow('screenshot_cleanup', 'windlass_jobs', '{select,insert,update}');
