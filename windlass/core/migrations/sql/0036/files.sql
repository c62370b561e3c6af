-- Files of runs. The bytes are objects, by content (`{tenant}/{digest}`); what is here says which run calls them what.
create table run_file (
  run_id uuid not null references run on delete cascade,
  path text not null,                          -- with its root: in/a.txt, out/b.txt
  tenant_id uuid not null,
  digest text not null,
  size_bytes bigint not null,
  changed_at timestamptz not null default clock_timestamp(),
  removed_in text,                             -- the life of the run that removed it; one that comes after a crash sees it again
  primary key (run_id, path)
);
create index run_file_digest on run_file (tenant_id, digest);
select windlass_protect('run_file');
select windlass_allow('run_file', 'windlass_jobs', '{select,delete}');

-- Every content there is, once per tenant: what quotas count, and what may go when nothing names it any more.
create table file_content (
  tenant_id uuid not null,
  digest text not null,
  size_bytes bigint not null,
  touched_at timestamptz not null default clock_timestamp(),
  primary key (tenant_id, digest)
);
select windlass_protect('file_content');
select windlass_allow('file_content', 'windlass_jobs', '{select,update,delete}');  -- update: to lock what is deleted

-- These bytes are in store. Whoever removes them holds the row meanwhile, so that nobody takes for kept what goes.
create function touch_file_content(p_tenant uuid, p_digest text, p_size_bytes bigint) returns void language sql as $$
  insert into file_content (tenant_id, digest, size_bytes) values (p_tenant, p_digest, p_size_bytes)
  on conflict (tenant_id, digest) do update set touched_at = clock_timestamp()
$$;

-- Files on their way to a run that is not started yet. They go with it, or expire.
create table upload (
  id uuid primary key,
  tenant_id uuid not null,
  created_by uuid not null,
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null,
  completed_at timestamptz
);
create index upload_old on upload (expires_at);
select windlass_protect('upload');
select windlass_allow('upload', 'windlass_jobs', '{select,update,delete}');

create table upload_file (
  id uuid primary key,
  tenant_id uuid not null,
  upload_id uuid not null references upload on delete cascade,
  place int not null,
  path text not null,                          -- below in/
  size_bytes bigint not null,                  -- as announced
  expected text,                               -- the hash, if it was announced
  digest text,                                 -- null: not whole yet
  unique (upload_id, path)
);
create index upload_file_digest on upload_file (tenant_id, digest);
select windlass_protect('upload_file');
select windlass_allow('upload_file', 'windlass_jobs', '{select,delete}');

create table upload_chunk (
  file_id uuid not null references upload_file on delete cascade,
  n int not null,
  tenant_id uuid not null,
  digest text not null,
  size_bytes int not null,
  primary key (file_id, n)
);
select windlass_protect('upload_chunk');
select windlass_allow('upload_chunk', 'windlass_jobs', '{select,delete}');

-- Give a new run the files of uploads, and those of the try before it: what that one removed is there again.
create function give_run_files(p_tenant uuid, p_run uuid, p_uploads uuid[], p_from uuid) returns void language plpgsql as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  insert into run_file (run_id, path, tenant_id, digest, size_bytes)
  select p_run, path, p_tenant, digest, size_bytes from run_file where run_id = p_from and path like 'in/%'
  union all
  select p_run, 'in/' || path, p_tenant, digest, size_bytes from upload_file where upload_id = any (p_uploads) and digest is not null
  on conflict do nothing;
end $$;

-- What a run finds below in/ when it begins, as its first event about files says it. Null: nothing.
create function run_uploads(p_tenant uuid, p_run uuid) returns jsonb language plpgsql as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  return (select jsonb_agg(jsonb_build_object('path', path, 'size', size_bytes, 'last_modified', extract(epoch from changed_at)) order by path collate "C")
          from run_file where run_id = p_run and path like 'in/%');
end $$;

-- Make bytes that are in store a file of a run, and say so once for each content of each path. The life that writes must be
-- the one that has the run: a host that lost it writes nothing. Answers {seq}, seq null when it was told before; or {refused}.
create function keep_run_file(p_tenant uuid, p_run uuid, p jsonb, p_folders text[], p_most int) returns jsonb language plpgsql as $$
declare
  place bigint;
begin
  perform set_config('app.tenant', p_tenant::text, true);
  perform touch_file_content(p_tenant, p->>'digest', (p->>'size_bytes')::bigint);
  perform from stream where id = p_run and tenant_id = p_tenant for no key update;  -- in turn with the end of the run
  if not exists (select from run where id = p_run and not is_terminal(status) and attempt = (p->>'attempt')::int and host_boot = p->>'boot') then
    return jsonb_build_object('refused', 'ended');
  end if;
  if exists (select from run_file where run_id = p_run and (path = any (p_folders) or starts_with(path, p->>'path' || '/'))) then
    return jsonb_build_object('refused', 'folder');
  end if;
  if (select count(*) from run_file where run_id = p_run) >= p_most and not exists (select from run_file where run_id = p_run and path = p->>'path') then
    return jsonb_build_object('refused', 'full');
  end if;
  insert into run_file as f (run_id, path, tenant_id, digest, size_bytes)
  values (p_run, p->>'path', p_tenant, p->>'digest', (p->>'size_bytes')::bigint)
  on conflict (run_id, path) do update set digest = excluded.digest, size_bytes = excluded.size_bytes, removed_in = null,
    changed_at = case when f.digest = excluded.digest then f.changed_at else clock_timestamp() end;
  select seq into place from run_append(p_tenant, p_run, null, array[p->>'producer'], array[1::bigint], array['artifact'],
    array[jsonb_build_object('path', p->>'path', 'size_bytes', (p->>'size_bytes')::bigint, 'sha256', p->>'digest')]) where fresh;
  return jsonb_build_object('seq', place);
end $$;
