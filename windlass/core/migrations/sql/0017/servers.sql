-- MCP servers: where tools come from. The list of tools that people have seen and taken is pinned; another one waits for them.
create table mcp_server (
  id uuid primary key,
  tenant_id uuid not null,
  name text not null,
  description text not null default '',
  url text,                                    -- one of the two: where it answers (streamable HTTP),
  command text,                                -- or the name of a command that the operator listed (stdio)
  headers bytea,                               -- {name: value}, sealed
  header_names text[] not null default '{}',
  timeout_s int not null default 60,
  state text not null default 'unchecked',     -- unchecked up changed down
  reason text not null default '',             -- why it is down
  tools jsonb not null default '[]',           -- those it offered last: {name, description, input_schema, annotations}
  digest text,                                 -- of these
  taken jsonb not null default '[]',           -- those that may be called, as they were when they were taken
  pinned text,                                 -- of these
  pinned_at timestamptz,
  pinned_by_name text not null default '',
  checked_at timestamptz,
  check_at timestamptz not null default clock_timestamp(),  -- when to look next
  version int not null default 1,              -- raised by every change of how it is reached
  created_by uuid,
  created_by_name text not null default '',
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  unique (tenant_id, name),
  check ((url is null) <> (command is null))
);
create index mcp_server_due on mcp_server (check_at);
select windlass_protect('mcp_server');
select windlass_allow('mcp_server', 'windlass_jobs', '{select}');
