-- Screenshots of desktops: the rows; their bytes are in the object store. A row comes before its bytes and is shown after
-- them, so that no bytes are ever left that no row knows.
create table screenshot (
  id uuid primary key,
  tenant_id uuid not null,
  desktop_id uuid not null,
  run_id uuid,                                 -- the task that had the desktop
  key text not null,                           -- in the object store
  digest text not null,                        -- of the pixels
  width int not null,
  height int not null,
  size_bytes int not null default 0,
  first_at timestamptz not null default clock_timestamp(),
  last_at timestamptz not null default clock_timestamp(),  -- when the screen was last seen to look like this
  stored_at timestamptz                        -- null: its bytes may be missing
);
create index screenshot_of_desktop on screenshot (desktop_id, first_at desc);
create index screenshot_of_run on screenshot (run_id, first_at) where run_id is not null;
create index screenshot_old on screenshot (last_at);
select windlass_protect('screenshot');
select windlass_allow('screenshot', 'windlass_jobs', '{select,update,delete}');  -- update: to lock what is deleted

-- What the daily housekeeping has removed; a day without an end goes on wherever it was.
create table housekeeping (
  day date primary key,
  began_at timestamptz not null default clock_timestamp(),
  ended_at timestamptz,
  screenshots int not null default 0,
  freed_bytes bigint not null default 0
);
grant select, insert, update on housekeeping to windlass_jobs;

-- Begin to keep a look at a desktop. One that shows what the last one showed, during the same task, only makes that one
-- younger. Null: the desktop is deleted.
create function begin_screenshot(p_tenant uuid, p_desktop uuid, p_id uuid, p_digest text, p_width int, p_height int) returns jsonb language plpgsql as $$
declare
  d desktop;
  last screenshot;
  place text;
begin
  perform set_config('app.tenant', p_tenant::text, true);
  select * into d from desktop where id = p_desktop and deleted_at is null for no key update;
  if not found then
    return null;
  end if;
  select * into last from screenshot where desktop_id = p_desktop and stored_at is not null order by first_at desc limit 1;
  if last.digest = p_digest and last.run_id is not distinct from d.task_id then
    update screenshot set last_at = clock_timestamp() where id = last.id;
    return jsonb_build_object('id', last.id, 'key', last.key, 'new', false);
  end if;
  place := format('%s/desktops/%s/%s-%s.webp', p_tenant, p_desktop,
                  to_char(clock_timestamp() at time zone 'utc', 'YYYYMMDD"T"HH24MISSUS"Z"'), left(p_digest, 16));
  insert into screenshot (id, tenant_id, desktop_id, run_id, key, digest, width, height)
  values (p_id, p_tenant, p_desktop, d.task_id, place, p_digest, p_width, p_height);
  return jsonb_build_object('id', p_id, 'key', place, 'new', true);
end $$;

-- Its bytes are stored: from now on it is shown. Answers the seq of its event, null when it was finished before or is gone.
create function finish_screenshot(p_tenant uuid, p_desktop uuid, p_id uuid, p_size_bytes int) returns bigint language plpgsql as $$
declare
  s screenshot;
  place bigint;
begin
  perform set_config('app.tenant', p_tenant::text, true);
  update screenshot set stored_at = clock_timestamp(), size_bytes = p_size_bytes where id = p_id and stored_at is null returning * into s;
  if not found then
    return null;
  end if;
  select last_seq + 1 into place from stream where id = p_desktop and tenant_id = p_tenant for no key update;
  select seq into place from append_events(p_tenant, p_desktop, null, array['desktop'], array[place], array['screenshot'],
    array[jsonb_strip_nulls(jsonb_build_object('screenshot', s.id, 'run', s.run_id, 'width', s.width, 'height', s.height, 'size_bytes', s.size_bytes))]);
  return place;
end $$;
