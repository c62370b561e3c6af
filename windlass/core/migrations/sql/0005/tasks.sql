-- Tasks: saved ways to start an agent. What a run was made from never changes: every change of a task is a new version.
create table task (
  id uuid primary key,
  tenant_id uuid not null,
  name text not null,
  version int not null default 1,              -- the one that runs now
  created_by uuid,
  created_by_name text not null default '',
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  deleted_at timestamptz
);
create unique index task_name on task (tenant_id, lower(name)) where deleted_at is null;
create index task_list on task (tenant_id, created_at desc, id desc) where deleted_at is null;

create table task_version (
  task_id uuid not null references task on delete cascade,
  version int not null,
  tenant_id uuid not null,
  agent text not null,
  description text not null default '',
  inputs jsonb not null default '{}',          -- every text in it may be a template
  parameters jsonb not null default '{}',      -- name: {type, label?, default?, options?}
  tags text[] not null default '{}',
  timeout_s int,
  max_attempts int not null default 1,
  changed_by_name text not null default '',
  created_at timestamptz not null default clock_timestamp(),
  primary key (task_id, version)
);

-- Where a run comes from, by the first of its tries: later ones share it.
create table task_run (
  root_id uuid primary key references run on delete cascade,
  tenant_id uuid not null,
  task_id uuid not null references task,
  version int not null,
  parameters jsonb not null default '{}'
);
create index task_run_of_task on task_run (task_id, root_id desc);

select windlass_protect('task');
select windlass_protect('task_version');
select windlass_protect('task_run');
