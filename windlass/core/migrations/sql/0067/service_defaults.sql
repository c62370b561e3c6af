-- What the services of an organisation have where they say nothing themselves. No row: no variable, one replica.
create table service_defaults (
  tenant_id uuid primary key,
  env jsonb not null default '{}',
  secrets bytea,                               -- {name: value}, sealed
  secret_names text[] not null default '{}',
  replicas int not null default 1 check (replicas between 1 and 8),
  memory_mib int,                              -- what a process of a service may use; null: half of the machine
  updated_at timestamptz not null default clock_timestamp(),
  updated_by text not null default ''
);
select windlass_protect('service_defaults');
select windlass_allow('service_defaults', 'windlass_jobs', '{select}');

-- Whether a service has a number of replicas of its own; so far 1 was what nobody had chosen.
alter table service add column own_replicas boolean not null default false;
alter table service no force row level security;
update service set own_replicas = true where replicas > 1;
alter table service force row level security;
