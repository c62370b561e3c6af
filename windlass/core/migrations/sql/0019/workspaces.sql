-- The files of sessions. Their bytes are objects, by content; what a tool changed is a row together with its result.
create table session_file (
  session_id uuid not null references session on delete cascade,
  path text not null,
  tenant_id uuid not null,
  digest text not null,
  size_bytes bigint not null,
  turn int not null,
  changed_at timestamptz not null default clock_timestamp(),
  primary key (session_id, path)
);
select windlass_protect('session_file');

-- Append what a tool came to and, if that is new, change the files it changed: [{path, digest, size_bytes}], without a digest the
-- file goes. Raises program_limit_exceeded when the files would be more than the quota. Same answer as append_events.
create function record_tool(p_tenant uuid, p_session uuid, p_turn int, p_pseq bigint, p_payload jsonb, p_files jsonb, p_quota bigint)
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
