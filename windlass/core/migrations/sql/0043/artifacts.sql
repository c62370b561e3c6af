-- Bytes under their hash (`{tenant}/{digest}`): values too large for an event, files of sessions and what is attached to messages.
-- What names them: logs (artifact_use), session_file and session_attachment. What nothing names for a day goes, row and bytes.
create table artifact (
  tenant_id uuid not null,
  digest text not null,
  size_bytes bigint not null,
  touched_at timestamptz not null default clock_timestamp(),  -- when it was last stored, or ceased to be a file
  primary key (tenant_id, digest)
);
create index artifact_untouched on artifact (touched_at);
select windlass_protect('artifact');
select windlass_allow('artifact', 'windlass_jobs', '{select,update,delete}');  -- update: to lock what is deleted

-- Which log names them: they stay until it is forgotten.
create table artifact_use (
  stream_id uuid not null,
  digest text not null,
  tenant_id uuid not null,
  primary key (stream_id, digest)
);
create index artifact_use_digest on artifact_use (tenant_id, digest);
create index session_file_digest on session_file (tenant_id, digest);
create index session_attachment_digest on session_attachment (tenant_id, digest);
select windlass_protect('artifact_use');
select windlass_allow('artifact_use', 'windlass_jobs', '{select}');
select windlass_allow('session_file', 'windlass_jobs', '{select}');
select windlass_allow('session_attachment', 'windlass_jobs', '{select}');

-- Say that these bytes are about to be stored, before they are. Whoever removes them holds the row meanwhile: then this waits,
-- and they are stored anew.
create function touch_artifact(p_tenant uuid, p_digest text, p_size_bytes bigint, p_stream uuid default null) returns void
language plpgsql as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  insert into artifact (tenant_id, digest, size_bytes) values (p_tenant, p_digest, p_size_bytes)
  on conflict (tenant_id, digest) do update set touched_at = clock_timestamp();
  if p_stream is not null then
    insert into artifact_use (stream_id, digest, tenant_id) values (p_stream, p_digest, p_tenant) on conflict do nothing;
  end if;
end $$;

-- What a new try takes over of an old one, it names too.
create function use_what_was_used() returns trigger language plpgsql as $$
begin
  insert into artifact_use (stream_id, digest, tenant_id)
  select new.id, digest, tenant_id from artifact_use where stream_id = new.retry_of
  on conflict do nothing;
  return null;
end $$;
create trigger uses after insert on run for each row when (new.retry_of is not null) execute function use_what_was_used();

-- As before; what it named is named by others, or by nobody.
create or replace function forget_log(p_stream uuid) returns int language plpgsql as $$
declare
  gone int;
begin
  delete from artifact_use where stream_id = p_stream;
  delete from event_delta where stream_id = p_stream;
  delete from event where stream_id = p_stream;
  get diagnostics gone = row_count;
  return gone;
end $$;

-- As before. What was in a file that changes stays for a day: somebody may be reading it.
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

-- What is named already, as far back as it is known.
alter table event no force row level security;
alter table step no force row level security;
alter table question no force row level security;
alter table session_file no force row level security;
alter table session_attachment no force row level security;
alter table artifact no force row level security;
alter table artifact_use no force row level security;

create function named_artifacts(p jsonb) returns table (digest text, size_bytes bigint) language sql immutable as $$
  select value->>'$artifact', case jsonb_typeof(value->'size_bytes') when 'number' then (value->>'size_bytes')::bigint else 0 end
  from (select p as value union all select e.value from jsonb_each(case jsonb_typeof(p) when 'object' then p end) e) named
  where jsonb_typeof(value) = 'object' and value->>'$artifact' ~ '^[0-9a-f]{64}$'
$$;
create temporary table named on commit drop as
  select e.tenant_id, e.stream_id, n.digest, n.size_bytes from event e, named_artifacts(e.payload) n where e.payload::text like '%"$artifact"%'
  union
  select e.tenant_id, e.stream_id, e.payload->>'digest', (e.payload->>'size_bytes')::bigint from event e where e.kind = 'artifact' and e.payload ? 'digest'
  union
  select s.tenant_id, s.run_id, n.digest, n.size_bytes from step s, named_artifacts(s.result) n where s.kept_from is not null
  union
  select q.tenant_id, coalesce(q.session_id, q.run_id), n.digest, n.size_bytes from question q, named_artifacts(jsonb_build_object('d', q.data, 'e', q.elements, 'r', q.result)) n;
insert into artifact (tenant_id, digest, size_bytes)
select tenant_id, digest, max(size_bytes) from (
  select tenant_id, digest, size_bytes from named
  union all select tenant_id, digest, size_bytes from session_file
  union all select tenant_id, digest, size_bytes from session_attachment) every_one
group by tenant_id, digest;
insert into artifact_use (stream_id, digest, tenant_id) select distinct stream_id, digest, tenant_id from named;
drop function named_artifacts;

alter table event force row level security;
alter table step force row level security;
alter table question force row level security;
alter table session_file force row level security;
alter table session_attachment force row level security;
alter table artifact force row level security;
alter table artifact_use force row level security;
