-- When a run last became another one in the lists (began, changed its status, left), and in which transaction: whoever
-- follows the runs passes over none, in whatever order transactions commit. Null: not since this was written down.
alter table run add column changed_at timestamptz, add column changed_xid xid8;
alter table run alter column changed_at set default clock_timestamp(), alter column changed_xid set default pg_current_xact_id();
create index run_changed on run (tenant_id, changed_at, id) where changed_at is not null;

create function mark_run_changed() returns trigger language plpgsql as $$
begin
  new.changed_at := clock_timestamp();
  new.changed_xid := pg_current_xact_id();
  return new;
end $$;
create trigger run_changes before update of status, attempt, archived_at on run for each row
when ((old.status, old.attempt, old.archived_at) is distinct from (new.status, new.attempt, new.archived_at))
execute function mark_run_changed();
