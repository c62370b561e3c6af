-- Whether a desktop takes a place of its machine. One that starts and was not placed yet has no time to live: before, one
-- that had run before and waited for a place took one, so that two of them waited for each other for ever.
create function desktop_takes_place(d desktop) returns boolean language sql immutable as
$$ select d.generation > 0 and desktop_has_container(d.status) and (d.status <> 'starting' or d.expires_at is not null) $$;

-- As before; how long it may live begins when it is placed.
create or replace function wish_desktop(p_tenant uuid, p_desktop uuid, p_wish text) returns setof desktop language plpgsql as $$
declare
  d desktop;
  starts boolean;
begin
  perform set_config('app.tenant', p_tenant::text, true);
  select * into d from desktop where id = p_desktop and deleted_at is null for no key update;
  starts := p_wish = 'on' and d.status in ('offline', 'lost');
  update desktop set wish = p_wish, revision = revision + 1, changed_at = clock_timestamp(),
    deleted_at = case when p_wish = 'gone' then clock_timestamp() end, slot = case when p_wish <> 'gone' then slot end,
    status = case when starts then 'starting' else status end, reason = case when starts then '' else reason end,
    expires_at = case when starts then null else expires_at end
  where id = d.id;
  if starts then
    perform desktop_event(p_tenant, p_desktop, '{"status": "starting"}');
  end if;
  return query select * from desktop where id = p_desktop;
end $$;

-- As before, but for what takes a place.
create or replace function living_machines() returns table (node text, boot text, engine text, problem text, places int, used int) language sql stable as $$
  select m.node, m.boot, m.engine, m.problem, m.places,
         (select count(*) from desktop d where d.node = m.node and d.removed_at is null and desktop_takes_place(d))::int
  from desktop_machine m
  where exists (select from worker w where w.node = m.node and w.role = 'desktops' and w.seen_at > clock_timestamp() - interval '15 seconds')
$$;

create or replace function place_desktop(p_tenant uuid, p_desktop uuid, p_lifetime_s int default null) returns jsonb language plpgsql as $$
declare
  d desktop;
  t desktop_template;
  best record;
  problems text;
begin
  perform pg_advisory_xact_lock(hashtext('windlass desktops'));
  select * into d from desktop where id = p_desktop and tenant_id = p_tenant and deleted_at is null;
  if not found then
    return null;
  end if;
  select m.node, m.boot into best from living_machines() m
  where m.problem is null and m.used - coalesce(m.node = d.node and desktop_takes_place(d), false)::int < m.places
    and (m.node = d.node or not exists (select from living_machines() own where own.node = d.node))
  order by m.places - m.used desc, m.node limit 1;
  if not found then
    select string_agg(coalesce(m.problem, case m.places when 1 then 'its one place is taken' else format('%s of its %s places are taken', m.used, m.places) end), '; ') into problems from living_machines() m;
    return jsonb_build_object('reason', coalesce('waits for a machine: ' || problems, 'waits for a machine: no worker for desktops is running'));
  end if;
  select * into t from desktop_template_of(p_tenant, d.template);
  update desktop set node = best.node, generation = generation + 1, container = null, address = null,
                     made_of = coalesce(t.made_of, made_of), template_version = coalesce(t.version, template_version),
                     expires_at = clock_timestamp() + make_interval(secs => coalesce(coalesce(t.made_of, made_of)->>'lifetime_s', '43200')::int)
  where id = p_desktop returning * into d;
  return jsonb_build_object('node', best.node, 'boot', best.boot, 'generation', d.generation);
end $$;
