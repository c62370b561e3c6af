-- A run that is forgotten has no files any more. Their bytes stay as long as another run may hold the same content.
create or replace function forget_run(p_tenant uuid, p_run uuid) returns int language plpgsql as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  update run set forgotten_at = clock_timestamp(), title = agent, tags = '{}', inputs = '{}', extra = '{}', result = null,
    error = null, meta = '{}', cancel_reason = null
  where id = p_run and archived_at is not null and forgotten_at is null;
  if not found then
    return null;
  end if;
  delete from step where run_id = p_run;
  delete from question where run_id = p_run;
  delete from run_file where run_id = p_run;
  return forget_log(p_run);
end $$;
