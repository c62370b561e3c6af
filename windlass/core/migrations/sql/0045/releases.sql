-- As before; of the runs that wait, the one with the earliest due time goes first, whenever somebody decided about it.
create or replace function release_held(p_schedule uuid) returns uuid language plpgsql as $$
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
  where r.id = (select w.id from task_run o join run w on w.id = o.root_id left join firing f on f.id = o.firing_id
                where o.schedule_id = p_schedule and w.held and not is_terminal(w.status)
                order by coalesce(f.scheduled_at, w.created_at), w.created_at, w.id limit 1)
  returning r.id, r.tenant_id into released, tenant;
  if released is not null then
    insert into outbox (tenant_id, run_id, message) values (tenant, released, 'start');
  end if;
  return released;
end $$;
