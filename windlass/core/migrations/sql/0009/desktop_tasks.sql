-- Tasks: runs of the agent `desktop`. A desktop does one at a time, the oldest first.
-- A service of that name may have left runs whose input is something else.
alter table run add column desktop_id uuid generated always as
  (case when agent = 'desktop' and inputs->>'desktop' ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then (inputs->>'desktop')::uuid end) stored;
create index run_of_desktop on run (desktop_id, created_at, id) where desktop_id is not null;
alter table desktop add column task_id uuid;   -- the run that has it

-- The oldest run of a desktop that has not ended.
create function next_desktop_task(p_desktop uuid) returns uuid language sql stable as $$
  select id from run where desktop_id = p_desktop and not is_terminal(status) order by created_at, id limit 1
$$;

-- Take the desktop for a run whose turn it is: it is busy from now on, and the answer says where it is. Otherwise the answer
-- says what the run waits for, or that it waits in vain. The second time the answer is the same.
create function claim_desktop(p_tenant uuid, p_run uuid) returns jsonb language plpgsql as $$
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
    if next_desktop_task(d.id) is distinct from p_run then
      select count(*) into ahead from run r where r.desktop_id = d.id and not is_terminal(r.status) and (r.created_at, r.id) < (mine.created_at, mine.id);
      return jsonb_build_object('reason', format('%s before it', ahead));
    elsif d.status <> 'idle' then
      return jsonb_build_object('reason', format('%s is %s', d.name, d.status));
    end if;
    update desktop set task_id = p_run, status = 'busy', reason = '', status_at = clock_timestamp() where id = d.id;
    perform desktop_event(p_tenant, d.id, jsonb_build_object('status', 'busy', 'run', p_run));
  end if;
  return (select jsonb_build_object('node', node, 'boot', boot) from desktop_machine where node = d.node);
end $$;

-- Give a desktop back that a run had; answers whose turn it is now.
create function free_desktop(p_tenant uuid, p_desktop uuid, p_run uuid) returns uuid language plpgsql as $$
declare
  d desktop;
begin
  perform set_config('app.tenant', p_tenant::text, true);
  select * into d from desktop where id = p_desktop for no key update;
  if d.task_id = p_run then
    update desktop set task_id = null, status = case status when 'busy' then 'idle' else status end,
                       status_at = case status when 'busy' then clock_timestamp() else status_at end where id = d.id;
    if d.status = 'busy' then
      perform desktop_event(p_tenant, d.id, '{"status": "idle"}');
    end if;
  end if;
  return next_desktop_task(p_desktop);
end $$;

create function release_desktop(p_tenant uuid, p_run uuid) returns uuid language plpgsql as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  return free_desktop(p_tenant, (select desktop_id from run where id = p_run), p_run);
end $$;

-- What is wanted of a desktop, and where it is. Null: nothing is left of it. A task that ended behind its workflow's back
-- no longer holds it.
create or replace function look_at_desktop(p_tenant uuid, p_desktop uuid) returns jsonb language plpgsql as $$
declare
  holder uuid;
begin
  perform set_config('app.tenant', p_tenant::text, true);
  select task_id into holder from desktop join run on run.id = task_id where desktop.id = p_desktop and is_terminal(run.status);
  if found then
    perform free_desktop(p_tenant, p_desktop, holder);
  end if;
  return (select jsonb_build_object('wish', d.wish, 'revision', d.revision, 'heard', d.heard, 'status', d.status, 'generation', d.generation,
                                    'template', d.template, 'node', m.node, 'boot', m.boot, 'next_task', next_desktop_task(d.id),
                                    'left_s', extract(epoch from d.expires_at - clock_timestamp())::float,
                                    'steady_s', extract(epoch from clock_timestamp() - d.status_at)::float)
          from desktop d left join desktop_machine m on m.node = d.node where d.id = p_desktop and d.removed_at is null);
end $$;

-- As before; a desktop that a task holds is busy where it would be idle.
create or replace function record_desktop(p_tenant uuid, p_desktop uuid, p jsonb) returns bigint language plpgsql as $$
declare
  d desktop;
  to_status text := p->>'status';
  is_gone boolean := coalesce((p->>'gone')::boolean, false);
begin
  perform set_config('app.tenant', p_tenant::text, true);
  select * into d from desktop where id = p_desktop for no key update;
  if not found or d.removed_at is not null then
    return null;
  end if;
  if to_status = 'idle' and exists (select from run where id = d.task_id and not is_terminal(run.status)) then
    to_status := 'busy';                       -- it goes on after a pause
  end if;
  update desktop set
    status = to_status, reason = coalesce(p->>'reason', ''), heard = greatest(heard, (p->>'heard')::int),
    wish = case when to_status = 'offline' and wish = 'on' and revision <= (p->>'heard')::int then 'off' else wish end,
    container = case when desktop_has_container(to_status) then coalesce(nullif(p->>'container', ''), container) end,
    address = case when desktop_has_container(to_status) then coalesce(nullif(p->>'address', ''), address) end,
    image = coalesce(nullif(p->>'image', ''), image),
    status_at = case when status <> to_status then clock_timestamp() else status_at end,
    removed_at = case when is_gone then clock_timestamp() end
  where id = p_desktop;
  if is_gone then
    return desktop_event(p_tenant, p_desktop, jsonb_build_object('status', 'finished', 'reason', 'deleted'));
  end if;
  if d.status = to_status and d.reason = coalesce(p->>'reason', '') then
    return null;
  end if;
  return desktop_event(p_tenant, p_desktop, jsonb_strip_nulls(jsonb_build_object('status', to_status, 'reason', nullif(p->>'reason', ''))));
end $$;
