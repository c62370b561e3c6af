-- As before, but what lies in the default partition by then moves into that of its month: a session's id is chosen by its
-- client, whose clock may be ahead. One such id kept the partition of its month, and all that come after, from being made.
create or replace function ensure_event_partitions(p_from date, p_months int) returns int
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
  month timestamp;
  name text;
  low uuid;
  high uuid;
  made int := 0;
begin
  perform pg_advisory_xact_lock(hashtext('event partitions'));
  for month in select generate_series(date_trunc('month', p_from::timestamp),
                                      date_trunc('month', p_from::timestamp) + make_interval(months => p_months - 1), '1 month') loop
    name := 'event_' || to_char(month, 'YYYY_MM');
    continue when to_regclass('public.' || name) is not null;
    low := uuid7_floor(month at time zone 'UTC');
    high := uuid7_floor((month + interval '1 month') at time zone 'UTC');
    begin
      execute format('create table public.%I partition of public.event for values from (%L) to (%L)', name, low, high);
    exception when check_violation then
      execute format('create table public.%I (like public.event including defaults)', name);
      alter table public.event_default no force row level security;  -- whoever owns it is no superuser everywhere
      execute format('with moved as (delete from public.event_default where stream_id >= %L and stream_id < %L returning *)
                      insert into public.%I select * from moved', low, high, name);
      alter table public.event_default force row level security;
      execute format('alter table public.event attach partition public.%I for values from (%L) to (%L)', name, low, high);
    end;
    execute format('alter table public.%I enable row level security', name);  -- no policy: read through the parent or not at all
    execute format('alter table public.%I force row level security', name);
    made := made + 1;
  end loop;
  return made;
end $$;
