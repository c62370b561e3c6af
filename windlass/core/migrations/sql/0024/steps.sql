-- What a desktop that starts has come to, and who would like to have a screen that somebody else has.
alter table desktop
  add column steps jsonb not null default '{}',  -- of the last start: placed made up, each with its time
  add column asked_name text not null default '',
  add column asked_at timestamptz;

-- A desktop that starts has come one step further; `placed` is the first. A container that is nobody's any more says nothing.
create function step_desktop(p_tenant uuid, p_desktop uuid, p_generation int, p_step text) returns boolean language plpgsql as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  update desktop set steps = case p_step when 'placed' then '{}' else steps end || jsonb_build_object(p_step, clock_timestamp())
  where id = p_desktop and generation = p_generation and status = 'starting' and deleted_at is null;
  return found;
end $$;

-- Ask whoever has the screen for it, with an event; answers its seq. Null: nobody has it, or they were asked a moment ago.
create function ask_for_desktop(p_tenant uuid, p_desktop uuid, p_name text) returns bigint language plpgsql as $$
declare
  d desktop;
begin
  perform set_config('app.tenant', p_tenant::text, true);
  select * into d from desktop where id = p_desktop and deleted_at is null for no key update;
  if not desktop_is_held(d) or (d.asked_at > d.held_at and d.asked_at > clock_timestamp() - interval '1 minute') then
    return null;
  end if;
  update desktop set asked_name = p_name, asked_at = clock_timestamp() where id = p_desktop;
  return desktop_event(p_tenant, p_desktop, jsonb_build_object('status', d.status, 'reason', p_name || ' asks for the screen'));
end $$;
