-- Hosts on record before they are there: one whose services worker died is found by its boot id.
alter table host add column up_at timestamptz;    -- since when somebody watches over it; null: it has not served yet
alter table host no force row level security;
update host set up_at = started_at;
alter table host force row level security;
alter table host alter column pid drop not null;  -- not known until it serves

-- Remember which host executes the run now. False: nobody watches over that host yet, its death would not be noticed.
create or replace function place_run(p_tenant uuid, p_run uuid, p_boot text) returns boolean language plpgsql as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  update run set host_boot = p_boot where id = p_run
    and exists (select from host where boot_id = p_boot and up_at is not null);
  return found;
end $$;
