-- Boots: bringing all services of a tenant up, as one thing that can be followed; its stream has its id.
create table boot (
  id uuid primary key,
  tenant_id uuid not null,
  number int not null,
  kind text not null default 'boot',           -- boot shutdown
  status text not null default 'running',      -- running finished failed cancelled
  up int not null default 0,                   -- services that came up
  failed int not null default 0,               -- services that did not
  asked_by uuid,
  asked_by_name text not null default '',
  created_at timestamptz not null default clock_timestamp(),
  begun_at timestamptz,                        -- since when its workflow has it
  ended_at timestamptz,
  unique (tenant_id, number)
);
create unique index boot_at_a_time on boot (tenant_id) where ended_at is null;
create index boot_open on boot (created_at) where ended_at is null;

create table boot_service (
  boot_id uuid not null references boot on delete cascade,
  tenant_id uuid not null,
  service_id uuid not null,
  name text not null,
  generation int not null,                     -- the service's, raised for this boot
  flows text[] not null default '{}',          -- what it offered before
  began_at timestamptz not null default clock_timestamp(),
  primary key (boot_id, service_id)
);

select windlass_protect('boot');
select windlass_protect('boot_service');
select windlass_allow('boot', 'windlass_jobs', '{select}');

alter table service add column stopped boolean not null default false;  -- by a shutdown, until the next boot
alter table service add column progress jsonb not null default '{}';    -- how far its keeper has come with its generation
