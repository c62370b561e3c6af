-- What the handler of a run's flow decided before the run was recorded; null: it is asked when the run starts.
alter table run add column launch jsonb;

create function run_launch(p_tenant uuid, p_run uuid) returns jsonb language plpgsql as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  return (select launch from run where id = p_run);
end $$;
