-- What people attach to messages of sessions. The bytes are objects, by content; which message names them is in its event.
create table session_attachment (
  id uuid primary key,
  tenant_id uuid not null,
  session_id uuid not null references session on delete cascade,
  name text not null,
  media_type text not null,                    -- found in the bytes
  digest text not null,
  size_bytes bigint not null,
  at timestamptz not null default clock_timestamp(),
  unique (session_id, digest, name)
);
select windlass_protect('session_attachment');
