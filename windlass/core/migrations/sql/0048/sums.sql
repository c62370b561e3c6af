-- Runs that ended, summed by quarter of a day: what ended stays as it ended, so a quarter that is over is counted once.
create table run_part (
  tenant_id uuid not null,
  at timestamptz not null,                     -- where the quarter begins, UTC
  agent text not null,
  created_by uuid,
  finished bigint not null,
  failed bigint not null,
  cancelled bigint not null
);
create unique index run_part_of_agent on run_part (tenant_id, at, agent, created_by) nulls not distinct;
select windlass_protect('run_part');

create table run_summed (tenant_id uuid primary key, until timestamptz not null);
select windlass_protect('run_summed');

-- Sum the quarters that are over; answers until when `run_part` tells all. Whoever looks sums; two at once: one does, the other
-- is answered how far it was before; null: nothing is summed yet. A quarter counts as over an hour later: what ended in it has been committed by then.
create function sum_runs(p_tenant uuid) returns timestamptz language plpgsql as $$
declare
  quarter constant interval := '6 hours';
  origin constant timestamptz := '2001-01-01 00:00:00+00';
  whole constant timestamptz := date_bin(quarter, clock_timestamp() - interval '1 hour', origin);
  kept constant timestamptz := whole - interval '31 days';
  known timestamptz;
begin
  perform set_config('app.tenant', p_tenant::text, true);
  select until into known from run_summed where tenant_id = p_tenant;
  if known = whole or not pg_try_advisory_xact_lock(hashtextextended('run_part', 0) # hashtextextended(p_tenant::text, 0)) then
    return case when known <= whole then known end;
  end if;
  select until into known from run_summed where tenant_id = p_tenant;  -- another one may have done it meanwhile
  if known = whole then
    return known;
  end if;
  if known > whole then  -- the clock was ahead: quarters were summed before they were over, and old ones let go. All are summed anew
    delete from run_part where tenant_id = p_tenant;
    known := null;
  end if;
  insert into run_part (tenant_id, at, agent, created_by, finished, failed, cancelled)
  select tenant_id, date_bin(quarter, ended_at, origin), agent, created_by, count(*) filter (where status = 'finished'),
         count(*) filter (where status = 'failed'), count(*) filter (where status = 'cancelled')
  from run where tenant_id = p_tenant and ended_at >= greatest(known, kept) and ended_at < whole group by 1, 2, 3, 4;
  insert into run_summed values (p_tenant, whole) on conflict (tenant_id) do update set until = excluded.until;
  delete from run_part where tenant_id = p_tenant and at < kept;
  return whole;
end $$;

-- Counts of the list ask whose runs they are: with it in the index they need not read the rows. This index and the next one
-- take their names in 0051: to drop the old ones here would keep everybody from reading runs until the new ones are built.
create index run_status_new on run (tenant_id, status, created_at desc) include (created_by) where archived_at is null;

-- The page of agents asks what a run usually costs.
create index run_of_agent_new on run (tenant_id, agent, ended_at) include (status, created_by, created_at, started_at, cost_usd, id) where ended_at is not null;
