-- What organisations set for themselves; where there is no row the installation's setting holds.
create table tenant_setting (
  tenant_id uuid not null,
  name text not null,
  value jsonb not null,
  changed_at timestamptz not null default clock_timestamp(),
  changed_by text not null default '',
  primary key (tenant_id, name)
);
select windlass_protect('tenant_setting');
