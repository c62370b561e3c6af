-- What system schedules did, at each of their due times; one without an end goes on wherever it was.
create table maintenance (
  name text not null,
  due_at timestamptz not null,
  began_at timestamptz not null default clock_timestamp(),
  ended_at timestamptz,
  counts jsonb not null default '{}',          -- what was done, by its name
  problem text not null default '',            -- why the last attempt came to nothing
  primary key (name, due_at)
);
grant select, insert, update, delete on maintenance to windlass_jobs;
grant select, update on maintenance to windlass_app;  -- what is done for a tenant is counted in its transaction

insert into maintenance (name, due_at, began_at, ended_at, counts)
select 'cleanup', (day + time '03:00') at time zone 'UTC', began_at, ended_at,
       jsonb_build_object('screenshots', screenshots, 'freed_bytes', freed_bytes)
from housekeeping;
drop table housekeeping;

-- Count what was done, on top of what is counted already.
create function count_maintenance(p_name text, p_due timestamptz, p_counts jsonb) returns void language sql as $$
  update maintenance m set counts = m.counts || (
    select coalesce(jsonb_object_agg(key, value::bigint + coalesce((m.counts->>key)::bigint, 0)), '{}')
    from jsonb_each_text(p_counts) where value::bigint <> 0)
  where name = p_name and due_at = p_due
$$;

-- What people delete is kept for a while, then forgotten: the row stays with its figures, its words and its log go.
alter table run add column forgotten_at timestamptz;
alter table session add column forgotten_at timestamptz;
alter table desktop add column forgotten_at timestamptz;
create index run_deleted on run (archived_at) where archived_at is not null and forgotten_at is null;
create index session_deleted on session (deleted_at) where deleted_at is not null and forgotten_at is null;
create index desktop_deleted on desktop (deleted_at) where deleted_at is not null and forgotten_at is null;

-- Forget the log of a record; answers how many events there were. Its head stays: no seq is ever given twice.
create function forget_log(p_stream uuid) returns int language plpgsql as $$
declare
  gone int;
begin
  delete from event_delta where stream_id = p_stream;
  delete from event where stream_id = p_stream;
  get diagnostics gone = row_count;
  return gone;
end $$;

-- Forget a deleted record. Null: it is not deleted, or forgotten already.
create function forget_run(p_tenant uuid, p_run uuid) returns int language plpgsql as $$
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
  return forget_log(p_run);
end $$;

create function forget_session(p_tenant uuid, p_session uuid) returns int language plpgsql as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  update session set forgotten_at = clock_timestamp(), title = 'deleted', settings = '{}', metadata = '{}', error = null
  where id = p_session and deleted_at is not null and forgotten_at is null;
  if not found then
    return null;
  end if;
  delete from session_message where session_id = p_session;
  delete from session_file where session_id = p_session;
  delete from session_attachment where session_id = p_session;
  delete from question where session_id = p_session;
  return forget_log(p_session);
end $$;

create function forget_desktop(p_tenant uuid, p_desktop uuid) returns int language plpgsql as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  update desktop set forgotten_at = clock_timestamp()
  where id = p_desktop and deleted_at is not null and removed_at is not null and forgotten_at is null;
  return case when found then forget_log(p_desktop) end;
end $$;
