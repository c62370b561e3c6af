-- How much is in the homes of desktops, as their machines weighed them, and what was said of one that had too much.
alter table desktop
  add column home_bytes bigint,
  add column home_at timestamptz,
  add column home_grace bigint,                -- what it may have in spite of its limit: enough to tidy up
  add column home_said text not null default '';  -- why it was ended; a start takes it back

-- As before; a desktop that starts with more than it may have gets room to delete some of it, up to twice its limit.
create or replace function step_desktop(p_tenant uuid, p_desktop uuid, p_generation int, p_step text) returns boolean language plpgsql as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  update desktop set steps = case p_step when 'placed' then '{}' else steps end || jsonb_build_object(p_step, clock_timestamp()),
    home_said = case p_step when 'placed' then '' else home_said end,
    home_grace = case when p_step <> 'placed' then home_grace when home_bytes > desktop_home_limit(made_of)
      then least(home_bytes + desktop_home_limit(made_of) / 10, 2 * desktop_home_limit(made_of)) end
  where id = p_desktop and generation = p_generation and status = 'starting' and deleted_at is null;
  return found;
end $$;

create function desktop_home_limit(p_made_of jsonb) returns bigint language sql immutable as
$$ select coalesce((p_made_of->>'home_bytes')::bigint, 10737418240) $$;

-- Write down what the homes of a machine weigh; answers those of desktops that are on and have more than they may (windlass_jobs).
create function weigh_homes(p_node text, p_desktops uuid[], p_bytes bigint[]) returns table (id uuid, tenant_id uuid, name text, generation int, said text)
language sql as $$
  update desktop d set home_bytes = w.bytes, home_at = clock_timestamp(),
    home_said = case
      when not desktop_has_container(d.status) or w.bytes <= greatest(desktop_home_limit(d.made_of), d.home_grace) then d.home_said
      else format('its home is full: it has %s of the %s it may have. Start it again and delete something, or delete it',
                  pg_size_pretty(w.bytes), pg_size_pretty(desktop_home_limit(d.made_of))) end
  from unnest(p_desktops, p_bytes) w(id, bytes)
  where d.id = w.id and d.node = p_node and d.deleted_at is null
  returning d.id, d.tenant_id, d.name, d.generation, case when desktop_has_container(d.status) then d.home_said else '' end
$$;

-- As before; one that is paused when its time is over is off, too, and not wished paused any more.
create or replace function record_desktop(p_tenant uuid, p_desktop uuid, p jsonb) returns bigint language plpgsql as $$
declare
  d desktop;
  to_status text := p->>'status';
  is_gone boolean := coalesce((p->>'gone')::boolean, false);
begin
  perform set_config('app.tenant', p_tenant::text, true);
  select * into d from desktop where id = p_desktop for no key update;
  if not found or d.removed_at is not null then
    return null;
  end if;
  if to_status = 'idle' and exists (select from run where id = d.task_id and not is_terminal(run.status)) then
    to_status := 'busy';                       -- it goes on after a pause
  end if;
  update desktop set
    status = to_status, reason = coalesce(p->>'reason', ''), heard = greatest(heard, (p->>'heard')::int),
    wish = case when to_status = 'offline' and wish in ('on', 'paused') and revision <= (p->>'heard')::int then 'off' else wish end,
    container = case when desktop_has_container(to_status) then coalesce(nullif(p->>'container', ''), container) end,
    address = case when desktop_has_container(to_status) then coalesce(nullif(p->>'address', ''), address) end,
    image = coalesce(nullif(p->>'image', ''), image),
    status_at = case when status <> to_status then clock_timestamp() else status_at end,
    removed_at = case when is_gone then clock_timestamp() end
  where id = p_desktop;
  if is_gone then
    return desktop_event(p_tenant, p_desktop, jsonb_build_object('status', 'finished', 'reason', 'deleted'));
  end if;
  if d.status = to_status and d.reason = coalesce(p->>'reason', '') then
    return null;
  end if;
  return desktop_event(p_tenant, p_desktop, jsonb_strip_nulls(jsonb_build_object('status', to_status, 'reason', nullif(p->>'reason', ''))));
end $$;
