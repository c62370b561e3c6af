-- Services, the flows they offer, and the hosts that execute their runs.
create table service (
  id uuid primary key,
  tenant_id uuid not null,
  name text not null,
  project text not null,                       -- folder of the program: the working directory of its hosts
  import_path text not null,                   -- "module:app"
  env jsonb not null default '{}',
  enabled boolean not null default true,
  state text not null default 'deploying',     -- deploying running unhealthy dead
  reason text,                                 -- why it is not running, with the last lines it printed
  isolation text not null default 'shared',
  generation int not null default 1,           -- raised by every change a running host must be replaced for
  created_by uuid,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  unique (tenant_id, name)
);

create table flow (
  tenant_id uuid not null,
  service_id uuid not null references service on delete cascade,
  name text not null,                          -- the agent's name: "{service}/{flow}"
  path text not null,                          -- the route inside the service
  summary text not null default '',
  description text not null default '',
  tags text[] not null default '{}',
  meta jsonb not null default '{}',            -- author organization version deprecated
  elements jsonb not null default '[]',        -- the form, element by element
  schema jsonb not null default '{}',          -- the same form as JSON Schema
  position int not null default 0,
  primary key (tenant_id, name)
);

create table host (
  boot_id text primary key,                    -- one row per process that ever served a service
  tenant_id uuid not null,
  service_id uuid not null,
  node text not null,
  pid int not null,
  generation int not null,                     -- the service's when the host was started
  started_at timestamptz not null default clock_timestamp(),
  ended_at timestamptz,
  end_reason text,
  runs_inside int                              -- how many runs a crash took with it
);
create index host_of_service on host (service_id, started_at desc);

select windlass_protect('service');
select windlass_protect('flow');
select windlass_protect('host');
select windlass_allow('service', 'windlass_jobs', '{select,update}');
select windlass_allow('host', 'windlass_jobs', '{select}');

-- The worker processes of the installation; a row is renewed every few seconds while its process lives.
create table worker (
  slot text primary key,                       -- "{node}/{role}-{n}", held by an advisory lock
  role text not null,
  node text not null,
  pid int not null,
  started_at timestamptz not null,
  seen_at timestamptz not null default clock_timestamp()
);
grant select, insert, update, delete on worker to windlass_app;
