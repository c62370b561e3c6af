-- Desktops: a row says how its owner wants it and how it is. Their workflows read the wish; only these functions write.
create table desktop (
  id uuid primary key,                         -- also the id of its stream, and the name of its container
  tenant_id uuid not null,
  owner uuid not null,
  owner_name text not null default '',
  slot int check (slot between 1 and 100),     -- which of its owner's places it takes; null once it is deleted
  name text not null,
  template text not null,
  wish text not null default 'on',             -- on off paused gone
  revision int not null default 1,             -- counts the wishes
  heard int not null default 0,                -- the last wish its workflow took up
  status text not null default 'starting',
  reason text not null default '',
  node text,                                   -- the machine its home is on
  generation int not null default 0,           -- counts its containers: an older one is nobody's
  container text,
  address text,
  image text,
  created_at timestamptz not null default clock_timestamp(),
  changed_at timestamptz not null default clock_timestamp(),  -- of the wish
  status_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz,
  deleted_at timestamptz,
  removed_at timestamptz                       -- when nothing was left of it on any machine
);
create unique index desktop_limit on desktop (tenant_id, owner, slot);
create unique index desktop_name on desktop (tenant_id, owner, name) where deleted_at is null;
create index desktop_list on desktop (tenant_id, created_at desc) where deleted_at is null;
create index desktop_on on desktop (node) where removed_at is null;
create index desktop_unheard on desktop (changed_at) where heard < revision;

-- The machines that hold a container engine; whether their worker lives is in `worker`.
create table desktop_machine (
  node text primary key,
  boot text not null,                          -- of the machine: work for an earlier one is nobody's
  engine text not null default '',
  problem text,                                -- why no desktop can be made there
  places int not null,
  changed_at timestamptz not null default clock_timestamp()
);
grant select, insert, update on desktop_machine to windlass_app;
grant select on desktop_machine, worker to windlass_jobs;

select windlass_protect('desktop');
select windlass_allow('desktop', 'windlass_jobs', '{select,update}');

-- Containers, networks and volumes carry this name: two installations may share an engine.
insert into installation (key, value) values ('id', to_jsonb(gen_random_uuid()));

create function desktop_has_container(p_status text) returns boolean language sql immutable as
$$ select p_status in ('starting', 'idle', 'busy', 'paused') $$;

-- Add a status to the desktop's stream; answers its seq.
create function desktop_event(p_tenant uuid, p_desktop uuid, p_payload jsonb) returns bigint language plpgsql as $$
declare
  place bigint;
begin
  select last_seq + 1 into place from stream where id = p_desktop and tenant_id = p_tenant for no key update;
  select seq into place from append_events(p_tenant, p_desktop, null, array['desktop'], array[place], array['status'], array[p_payload]);
  return place;
end $$;

-- Record a desktop in the lowest free place of its owner. No row: all places are taken.
create function create_desktop(p_tenant uuid, p jsonb, p_limit int) returns setof desktop language plpgsql as $$
declare
  new_id uuid := (p->>'id')::uuid;
  free int;
begin
  perform set_config('app.tenant', p_tenant::text, true);
  perform pg_advisory_xact_lock(hashtextextended(p_tenant::text || (p->>'owner'), 4));
  select min(n) into free from generate_series(1, p_limit) n
  where not exists (select from desktop where owner = (p->>'owner')::uuid and slot = n);
  if free is null then
    return;
  end if;
  perform open_stream(p_tenant, new_id, 'desktop');
  insert into desktop (id, tenant_id, owner, owner_name, slot, name, template)
  values (new_id, p_tenant, (p->>'owner')::uuid, p->>'owner_name', free, coalesce(p->>'name', 'desktop-' || free), p->>'template');
  perform desktop_event(p_tenant, new_id, '{"status": "starting"}');
  return query select * from desktop where id = new_id;
end $$;

-- Wish a desktop otherwise. One that is wished gone leaves the lists and its owner's place at once.
create function wish_desktop(p_tenant uuid, p_desktop uuid, p_wish text) returns setof desktop language plpgsql as $$
declare
  d desktop;
  starts boolean;
begin
  perform set_config('app.tenant', p_tenant::text, true);
  select * into d from desktop where id = p_desktop and deleted_at is null for no key update;
  starts := p_wish = 'on' and d.status in ('offline', 'lost');
  update desktop set wish = p_wish, revision = revision + 1, changed_at = clock_timestamp(),
    deleted_at = case when p_wish = 'gone' then clock_timestamp() end, slot = case when p_wish <> 'gone' then slot end,
    status = case when starts then 'starting' else status end, reason = case when starts then '' else reason end
  where id = d.id;
  if starts then
    perform desktop_event(p_tenant, p_desktop, '{"status": "starting"}');
  end if;
  return query select * from desktop where id = p_desktop;
end $$;

-- What is wanted of a desktop, and where it is. Null: nothing is left of it.
create function look_at_desktop(p_tenant uuid, p_desktop uuid) returns jsonb language plpgsql as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  return (select jsonb_build_object('wish', d.wish, 'revision', d.revision, 'heard', d.heard, 'status', d.status, 'generation', d.generation, 'template', d.template,
                                    'node', m.node, 'boot', m.boot, 'left_s', extract(epoch from d.expires_at - clock_timestamp())::float)
          from desktop d left join desktop_machine m on m.node = d.node where d.id = p_desktop and d.removed_at is null);
end $$;

-- Write down how a desktop is; answers the seq of the event, null when nothing changed. Whoever is offline is wished so:
-- a timer of its workflow may have decided it.
create function record_desktop(p_tenant uuid, p_desktop uuid, p jsonb) returns bigint language plpgsql as $$
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
  update desktop set
    status = to_status, reason = coalesce(p->>'reason', ''), heard = greatest(heard, (p->>'heard')::int),
    wish = case when to_status = 'offline' and wish = 'on' and revision <= (p->>'heard')::int then 'off' else wish end,
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

-- The machines whose worker lives; `used` counts what the caller may see of their places.
create function living_machines() returns table (node text, boot text, engine text, problem text, places int, used int) language sql stable as $$
  select m.node, m.boot, m.engine, m.problem, m.places,
         (select count(*) from desktop d where d.node = m.node and d.removed_at is null and d.generation > 0 and desktop_has_container(d.status))::int
  from desktop_machine m
  where exists (select from worker w where w.node = m.node and w.role = 'desktops' and w.seen_at > clock_timestamp() - interval '15 seconds')
$$;

-- Give a desktop that must start a machine, its own if that lives, and the number of its next container (windlass_jobs).
create function place_desktop(p_tenant uuid, p_desktop uuid, p_lifetime_s int) returns jsonb language plpgsql as $$
declare
  d desktop;
  best record;
  problems text;
begin
  perform pg_advisory_xact_lock(hashtext('windlass desktops'));
  select * into d from desktop where id = p_desktop and tenant_id = p_tenant and deleted_at is null;
  if not found then
    return null;
  end if;
  select m.node, m.boot into best from living_machines() m
  where m.problem is null and m.used - coalesce(m.node = d.node and d.generation > 0 and desktop_has_container(d.status), false)::int < m.places
    and (m.node = d.node or not exists (select from living_machines() own where own.node = d.node))
  order by m.places - m.used desc, m.node limit 1;
  if not found then
    select string_agg(coalesce(m.problem, format('%s of its %s places are taken', m.used, m.places)), '; ') into problems from living_machines() m;
    return jsonb_build_object('reason', coalesce('waits for a machine: ' || problems, 'waits for a machine: no worker for desktops is running'));
  end if;
  update desktop set node = best.node, generation = generation + 1, expires_at = clock_timestamp() + make_interval(secs => p_lifetime_s),
                     container = null, address = null
  where id = p_desktop returning * into d;
  return jsonb_build_object('node', best.node, 'boot', best.boot, 'generation', d.generation);
end $$;
