-- Schedules: when a task starts by itself. The row is the truth; Temporal's schedule of the same id follows it.
create table schedule (
  id uuid primary key,
  tenant_id uuid not null,
  name text not null,
  task_id uuid not null references task,
  timing jsonb not null,                       -- {"cron"} or {"interval_s", "offset_s"?} or {"calendar"} or {"at"}
  time_zone text not null,
  start_at timestamptz,
  end_at timestamptz,
  jitter_s int not null default 0,
  overlap text not null default 'skip',
  catch_up_s int not null default 600,
  pause_on_failure boolean not null default false,
  remaining int,                               -- how often it may still start; null: without limit
  parameters jsonb not null default '{}',
  paused_at timestamptz,
  paused_by_name text not null default '',
  pause_reason text not null default '',
  resumed_at timestamptz,                      -- failures before this do not pause it
  created_by uuid,
  created_by_name text not null default '',
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  changed_by_name text not null default '',
  ended_at timestamptz,                        -- it is never due again
  deleted_at timestamptz,
  revision int not null default 1,             -- raised by whatever Temporal must know
  applied int not null default 0,              -- the revision that Temporal has
  applied_at timestamptz,
  missed int not null default 0                -- due times Temporal lost in an outage, as far as they are recorded
);
create unique index schedule_name on schedule (tenant_id, lower(name)) where deleted_at is null;
create index schedule_list on schedule (tenant_id, created_at desc, id desc) where deleted_at is null;
create index schedule_of_task on schedule (task_id) where deleted_at is null;
create index schedule_waiting on schedule (updated_at) where applied < revision;

-- Firings: one row for each due time, each trigger and each time that is made up for, with what was decided and why.
create table firing (
  id uuid primary key,
  tenant_id uuid not null,
  schedule_id uuid not null references schedule on delete cascade,
  kind text not null,                          -- due trigger backfill lost
  scheduled_at timestamptz not null,
  until timestamptz,                           -- of a lost span: its last due time, and how many there were
  count int not null default 1,
  overlap text,                                -- instead of the schedule's own
  asked_by_name text not null default '',
  created_at timestamptz not null default clock_timestamp(),
  decided_at timestamptz,
  decision text,                               -- null: on its way
  reason text not null default '',
  run_id uuid
);
create unique index firing_due on firing (schedule_id, scheduled_at) where kind = 'due';
create index firing_list on firing (schedule_id, scheduled_at desc, id desc);
create index firing_week on firing (tenant_id, scheduled_at);
create index firing_waiting on firing (created_at) where decision is null;

alter table task_run add column schedule_id uuid references schedule;
alter table task_run add column firing_id uuid;
create index task_run_of_schedule on task_run (schedule_id, root_id desc) where schedule_id is not null;

-- A run that waits for an earlier one of its schedule: queued, and nothing starts it before.
alter table run add column held boolean not null default false;
create index run_held on run (created_at) where held;

select windlass_protect('schedule');
select windlass_protect('firing');
select windlass_allow('schedule', 'windlass_jobs', '{select,update}');
select windlass_allow('firing', 'windlass_jobs', '{select}');
select windlass_allow('task_run', 'windlass_jobs', '{select}');
select windlass_allow('run', 'windlass_jobs', '{update}');

-- Let the oldest held run of a schedule go when no other run of it is live. Whoever decides about the schedule holds its row.
create function release_held(p_schedule uuid) returns uuid language plpgsql as $$
declare
  released uuid;
  tenant uuid;
begin
  perform from schedule where id = p_schedule for update;
  if exists (select from task_run o join run r on r.root_id = o.root_id
             where o.schedule_id = p_schedule and not r.held and not is_terminal(r.status)) then
    return null;
  end if;
  update run r set held = false
  where r.id = (select w.id from task_run o join run w on w.id = o.root_id
                where o.schedule_id = p_schedule and w.held and not is_terminal(w.status) order by w.created_at, w.id limit 1)
  returning r.id, r.tenant_id into released, tenant;
  if released is not null then
    insert into outbox (tenant_id, run_id, message) values (tenant, released, 'start');
  end if;
  return released;
end $$;

create function run_ended() returns trigger language plpgsql as $$
declare
  of_schedule uuid;
begin
  select schedule_id into of_schedule from task_run where root_id = new.root_id;
  if of_schedule is not null then
    perform release_held(of_schedule);
  end if;
  return null;
end $$;
create trigger run_ended after update of status on run
for each row when (is_terminal(new.status) and not is_terminal(old.status)) execute function run_ended();

-- A held run that is cancelled is let go, so that its workflow can end it.
create function run_let_go() returns trigger language plpgsql as $$
begin
  new.held := false;
  insert into outbox (tenant_id, run_id, message) values (new.tenant_id, new.id, 'start');
  return new;
end $$;
create trigger run_let_go before update of cancel_requested_at on run
for each row when (old.held and new.cancel_requested_at is not null) execute function run_let_go();
