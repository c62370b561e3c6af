-- Templates: what desktops are made of. Those of the installation, under the nil tenant, always exist; a tenant's own of the
-- same name stands before one of them. A desktop carries what its container was made of, and takes up a change at its next
-- start.
create table desktop_template (
  tenant_id uuid not null,
  name text not null,
  version int not null default 1,              -- counts its changes, deletions too
  made_of jsonb not null,
  changed_at timestamptz not null default clock_timestamp(),
  changed_by text not null default '',
  deleted_at timestamptz,
  primary key (tenant_id, name)
);
insert into desktop_template (tenant_id, name, made_of) values
  ('00000000-0000-0000-0000-000000000000', 'standard',
   '{"summary": "1280 by 800, 1 GiB, one core", "image": "", "width": 1280, "height": 800, "memory_bytes": 1073741824, "cpus": 1.0,
     "processes": 256, "idle_s": 3600, "lifetime_s": 43200, "egress": []}'),
  ('00000000-0000-0000-0000-000000000000', 'large',
   '{"summary": "1920 by 1080, 2 GiB, two cores", "image": "", "width": 1920, "height": 1080, "memory_bytes": 2147483648, "cpus": 2.0,
     "processes": 512, "idle_s": 3600, "lifetime_s": 43200, "egress": []}');
select windlass_protect('desktop_template');
select windlass_allow('desktop_template', 'windlass_jobs', '{select}');
create policy installation on desktop_template for select to windlass_app
  using (tenant_id = '00000000-0000-0000-0000-000000000000' and current_tenant() is not null);

-- The template of that name, the tenant's own first.
create function desktop_template_of(p_tenant uuid, p_name text) returns setof desktop_template language sql stable as $$
  select * from desktop_template where name = p_name and deleted_at is null
    and tenant_id in (p_tenant, '00000000-0000-0000-0000-000000000000') order by tenant_id = p_tenant desc limit 1
$$;

alter table desktop
  add column made_of jsonb not null default '{}',
  add column template_version int not null default 0;
alter table desktop no force row level security;
update desktop d set (made_of, template_version) = (select t.made_of, t.version from desktop_template_of(d.tenant_id, d.template) t)
where exists (select from desktop_template_of(d.tenant_id, d.template));
alter table desktop force row level security;

-- Record a desktop in the lowest free place of its owner. No row: all places are taken.
create or replace function create_desktop(p_tenant uuid, p jsonb, p_limit int) returns setof desktop language plpgsql as $$
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
  insert into desktop (id, tenant_id, owner, owner_name, slot, name, template, template_version, made_of)
  values (new_id, p_tenant, (p->>'owner')::uuid, p->>'owner_name', free, coalesce(p->>'name', 'desktop-' || free), p->>'template',
          (p->>'template_version')::int, p->'made_of');
  perform desktop_event(p_tenant, new_id, '{"status": "starting"}');
  return query select * from desktop where id = new_id;
end $$;

-- As before; its next container is made of its template as that is now, or as it last was where it is deleted.
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
  where m.problem is null and m.used - coalesce(m.node = d.node and d.generation > 0 and desktop_has_container(d.status), false)::int < m.places
    and (m.node = d.node or not exists (select from living_machines() own where own.node = d.node))
  order by m.places - m.used desc, m.node limit 1;
  if not found then
    select string_agg(coalesce(m.problem, format('%s of its %s places are taken', m.used, m.places)), '; ') into problems from living_machines() m;
    return jsonb_build_object('reason', coalesce('waits for a machine: ' || problems, 'waits for a machine: no worker for desktops is running'));
  end if;
  select * into t from desktop_template_of(p_tenant, d.template);
  update desktop set node = best.node, generation = generation + 1, container = null, address = null,
                     made_of = coalesce(t.made_of, made_of), template_version = coalesce(t.version, template_version),
                     expires_at = clock_timestamp() + make_interval(secs => coalesce(coalesce(t.made_of, made_of)->>'lifetime_s', '43200')::int)
  where id = p_desktop returning * into d;
  return jsonb_build_object('node', best.node, 'boot', best.boot, 'generation', d.generation);
end $$;

-- As before, with how long its template lets it be idle.
create or replace function look_at_desktop(p_tenant uuid, p_desktop uuid) returns jsonb language plpgsql as $$
declare
  done uuid;
begin
  perform set_config('app.tenant', p_tenant::text, true);
  select task_id into done from desktop join run on run.id = task_id where desktop.id = p_desktop and is_terminal(run.status);
  if found then
    perform free_desktop(p_tenant, p_desktop, done);
  end if;
  return (select jsonb_build_object('wish', d.wish, 'revision', d.revision, 'heard', d.heard, 'status', d.status, 'generation', d.generation,
                                    'template', d.template, 'node', m.node, 'boot', m.boot, 'next_task', next_desktop_task(d.id),
                                    'idle_s', coalesce(d.made_of->>'idle_s', '3600')::int,
                                    'left_s', extract(epoch from d.expires_at - clock_timestamp())::float,
                                    'steady_s', extract(epoch from clock_timestamp() - greatest(d.status_at, d.held_until))::float)
          from desktop d left join desktop_machine m on m.node = d.node where d.id = p_desktop and d.removed_at is null);
end $$;
