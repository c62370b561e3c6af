-- Since when a schedule has its timing: what was due before is none of its due times, though others may have the same.
alter table schedule add column timed_at timestamptz not null default '-infinity';
alter table schedule alter column timed_at set default clock_timestamp();
