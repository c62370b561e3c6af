-- What a file of a session held when the session began, noted when it is first changed; no digest: it was not there.
create table session_before (
  session_id uuid not null references session on delete cascade,
  path text not null,
  tenant_id uuid not null,
  digest text,
  size_bytes bigint not null,
  primary key (session_id, path)
);
create index session_before_digest on session_before (tenant_id, digest);
select windlass_protect('session_before');
select windlass_allow('session_before', 'windlass_jobs', '{select}');

-- As before, but that what a file held before its first change is noted; what was not there and goes again was never there.
create or replace function record_tool(p_tenant uuid, p_session uuid, p_turn int, p_pseq bigint, p_payload jsonb, p_files jsonb, p_quota bigint)
returns table (n int, seq bigint, same boolean, fresh boolean) language plpgsql as $$
declare
  used bigint;
begin
  select * into n, seq, same, fresh
  from session_append(p_tenant, p_session, array['hands'], array[p_pseq], array['tool.result'], array[p_payload]) a;
  if n is null then
    return;
  end if;
  if fresh and jsonb_array_length(p_files) > 0 then
    update artifact a set touched_at = clock_timestamp()
    from (select old.digest from artifact old
          where old.tenant_id = p_tenant and old.digest in (
            select f.digest from session_file f join jsonb_to_recordset(p_files) as c(path text) using (path)
            where f.session_id = p_session)
          for no key update of old skip locked) replaced  -- whoever has it locked does the same
    where a.tenant_id = p_tenant and a.digest = replaced.digest;
    insert into session_before (session_id, path, tenant_id, digest, size_bytes)
    select p_session, c.path, p_tenant, f.digest, coalesce(f.size_bytes, 0) from jsonb_to_recordset(p_files) as c(path text)
    left join session_file f on f.session_id = p_session and f.path = c.path on conflict do nothing;
    delete from session_before b using jsonb_to_recordset(p_files) as c(path text, digest text)
    where b.session_id = p_session and b.path = c.path and b.digest is null and c.digest is null;
    delete from session_file f using jsonb_to_recordset(p_files) as c(path text, digest text)
    where f.session_id = p_session and f.path = c.path and c.digest is null;
    insert into session_file as f (session_id, path, tenant_id, digest, size_bytes, turn)
    select p_session, c.path, p_tenant, c.digest, c.size_bytes, p_turn
    from jsonb_to_recordset(p_files) as c(path text, digest text, size_bytes bigint) where c.digest is not null
    on conflict (session_id, path) do update set digest = excluded.digest, size_bytes = excluded.size_bytes, turn = excluded.turn, changed_at = clock_timestamp();
    select coalesce(sum(f.size_bytes), 0) into used from session_file f where f.session_id = p_session;
    if used > p_quota then
      raise program_limit_exceeded using message = format('the workspace would hold %s bytes, and %s is the limit', used, p_quota);
    end if;
  end if;
  return next;
end $$;

-- As before, with what files held.
create or replace function forget_session(p_tenant uuid, p_session uuid) returns int language plpgsql as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  update session set forgotten_at = clock_timestamp(), title = 'deleted', settings = '{}', metadata = '{}', error = null
  where id = p_session and deleted_at is not null and forgotten_at is null;
  if not found then
    return null;
  end if;
  delete from session_message where session_id = p_session;
  delete from session_file where session_id = p_session;
  delete from session_before where session_id = p_session;
  delete from session_attachment where session_id = p_session;
  delete from question where session_id = p_session;
  return forget_log(p_session);
end $$;
