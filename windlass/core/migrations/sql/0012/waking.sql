-- As before; a desktop that was off, or lost, when the task was given is started for it. What had queued before its owner
-- put it off, or before it was lost, does not start it: it waits until somebody does.
create or replace function claim_desktop(p_tenant uuid, p_run uuid) returns jsonb language plpgsql as $$
declare
  d desktop;
  mine run;
  ahead int;
begin
  perform set_config('app.tenant', p_tenant::text, true);
  select * into mine from run where id = p_run;
  select * into d from desktop where id = mine.desktop_id and deleted_at is null for no key update;
  if not found then
    return jsonb_build_object('gone', true, 'reason', 'Its desktop was deleted.');
  end if;
  if d.task_id is distinct from p_run then
    if desktop_is_held(d) then
      return jsonb_build_object('reason', format('%s has the screen of %s', d.holder_name, d.name));
    elsif next_desktop_task(d.id) is distinct from p_run then
      select count(*) into ahead from run r where r.desktop_id = d.id and not is_terminal(r.status) and (r.created_at, r.id) < (mine.created_at, mine.id);
      return jsonb_build_object('reason', format('%s before it', ahead));
    elsif (d.status = 'offline' and mine.created_at > d.changed_at) or (d.status = 'lost' and mine.created_at > d.status_at) then
      select * into d from wish_desktop(p_tenant, d.id, 'on');
    end if;
    if d.status <> 'idle' then
      return jsonb_build_object('reason', format('%s is %s', d.name, d.status));
    end if;
    update desktop set task_id = p_run, status = 'busy', reason = '', status_at = clock_timestamp() where id = d.id;
    perform desktop_event(p_tenant, d.id, jsonb_build_object('status', 'busy', 'run', p_run));
  end if;
  return (select jsonb_build_object('node', node, 'boot', boot) from desktop_machine where node = d.node);
end $$;

-- When somebody last had the screen: whoever looked before that has seen another one.
alter table desktop add column handed_at timestamptz;

-- As before, and the time of it is kept.
create or replace function give_desktop_back(p_tenant uuid, p_desktop uuid) returns setof desktop language plpgsql as $$
declare
  d desktop;
begin
  perform set_config('app.tenant', p_tenant::text, true);
  select * into d from desktop where id = p_desktop and deleted_at is null for no key update;
  if d.holder is not null then
    update desktop set holder = null, holder_name = '', held_at = null, held_until = null, handed_at = clock_timestamp() where id = p_desktop;
    perform desktop_event(p_tenant, p_desktop, jsonb_build_object('status', d.status, 'reason', d.holder_name || ' gave the screen back'));
  end if;
  return query select * from desktop where id = p_desktop and deleted_at is null;
end $$;

-- Who has the screen now, if somebody does, and until when somebody had it.
create function desktop_hand(p_tenant uuid, p_desktop uuid) returns table (holder text, handed_at timestamptz) language plpgsql as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  return query select case when desktop_is_held(d) then d.holder_name end, greatest(d.handed_at, d.held_until) from desktop d where d.id = p_desktop;
end $$;
