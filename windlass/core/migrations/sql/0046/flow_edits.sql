-- What somebody has set of a flow; it outlives every boot. Null: what the service says stands.
create table flow_edit (
  tenant_id uuid not null,
  service_id uuid not null references service on delete cascade,
  name text not null,                          -- of the flow within its service
  display text,
  description text,
  tags text[],
  author text,
  organization text,
  enabled boolean not null default true,       -- a flow that is not enabled is in no catalogue and does not start
  edited_by uuid,
  updated_at timestamptz not null default clock_timestamp(),
  primary key (service_id, name)
);
select windlass_protect('flow_edit');
