-- One person may have the screen of a desktop: until they give it back no task has its turn. It is a lease, renewed while
-- they use it, so that a browser that went away holds nothing up.
alter table desktop
  add column holder uuid,
  add column holder_name text not null default '',
  add column held_at timestamptz,
  add column held_until timestamptz,
  add column handed_at timestamptz;            -- when somebody last gave it back: who looked before has seen another screen

create function desktop_is_held(d desktop) returns boolean language sql stable as
$$ select d.holder is not null and d.held_until > clock_timestamp() and desktop_has_container(d.status) $$;

-- Give somebody the screen, or go on with theirs. The row says who has it: it stays as it is when somebody else does, and
-- while the desktop is neither idle nor busy.
create function take_desktop(p_tenant uuid, p_desktop uuid, p_person uuid, p_name text, p_seconds int) returns setof desktop language plpgsql as $$
declare
  d desktop;
  held boolean;
begin
  perform set_config('app.tenant', p_tenant::text, true);
  select * into d from desktop where id = p_desktop and deleted_at is null for no key update;
  held := desktop_is_held(d);
  if d.status in ('idle', 'busy') and (d.holder = p_person or not held) then
    update desktop set holder = p_person, holder_name = p_name, held_until = clock_timestamp() + make_interval(secs => p_seconds),
                       held_at = case when held then held_at else clock_timestamp() end where id = p_desktop;
    if not held then
      perform desktop_event(p_tenant, p_desktop, jsonb_build_object('status', d.status, 'reason', p_name || ' has the screen', 'holder', p_person));
    end if;
  end if;
  return query select * from desktop where id = p_desktop and deleted_at is null;
end $$;

-- Renew the lease of whoever has the screen; who gave it back meanwhile does not get it again.
create function keep_desktop(p_tenant uuid, p_desktop uuid, p_person uuid, p_seconds int) returns void language plpgsql as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  update desktop d set held_until = clock_timestamp() + make_interval(secs => p_seconds)
  where d.id = p_desktop and d.holder = p_person and desktop_is_held(d);
end $$;

-- Let go of the screen, whoever has it. The second time nothing changes.
create function give_desktop_back(p_tenant uuid, p_desktop uuid) returns setof desktop language plpgsql as $$
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

-- The oldest run of a desktop that has not ended; while somebody has the screen it is nobody's turn.
create or replace function next_desktop_task(p_desktop uuid) returns uuid language sql stable as $$
  select run.id from run join desktop d on d.id = p_desktop
  where run.desktop_id = p_desktop and not is_terminal(run.status) and not desktop_is_held(d) order by run.created_at, run.id limit 1
$$;

-- As before; a run whose turn it would be waits for whoever has the screen. A desktop that was off, or lost, when the task
-- was given is started for it. What had queued before its owner put it off, or before it was lost, does not start it: it
-- waits until somebody does.
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

-- As before; a desktop that somebody has in hand is not idle for long.
create or replace function look_at_desktop(p_tenant uuid, p_desktop uuid) returns jsonb language plpgsql as $$
declare
  done uuid;
begin
  perform set_config('app.tenant', p_tenant::text, true);
  select task_id into done from desktop join run on run.id = task_id where desktop.id = p_desktop and is_terminal(run.status);
  if found then
    perform free_desktop(p_tenant, p_desktop, done);
  end if;
  return (select jsonb_build_object('wish', d.wish, 'revision', d.revision, 'heard', d.heard, 'status', d.status, 'generation', d.generation,
                                    'template', d.template, 'node', m.node, 'boot', m.boot, 'next_task', next_desktop_task(d.id),
                                    'left_s', extract(epoch from d.expires_at - clock_timestamp())::float,
                                    'steady_s', extract(epoch from clock_timestamp() - greatest(d.status_at, d.held_until))::float)
          from desktop d left join desktop_machine m on m.node = d.node where d.id = p_desktop and d.removed_at is null);
end $$;

-- Who has the screen now, if somebody does, and until when somebody had it.
create function desktop_hand(p_tenant uuid, p_desktop uuid) returns table (holder text, handed_at timestamptz) language plpgsql as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  return query select case when desktop_is_held(d) then d.holder_name end, greatest(d.handed_at, d.held_until) from desktop d where d.id = p_desktop;
end $$;
