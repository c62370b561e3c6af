-- The replica whose host has the run, by the record; null: any may have it, also where that replica is not wanted any
-- more: its host may have been one of a machine that is gone, whose end nobody records.
create or replace function run_replica(p_tenant uuid, p_run uuid) returns int language plpgsql as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  return (select h.replica from run r join host h on h.boot_id = r.host_boot join service s on s.id = h.service_id
          where r.id = p_run and h.ended_at is null and h.replica <= s.replicas);
end $$;
