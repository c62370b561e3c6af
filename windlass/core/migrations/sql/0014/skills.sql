-- Skills of an organisation: what models that work in its desktops are told before every task.
create table desktop_skill (
  tenant_id uuid not null,
  name text not null,
  text text not null,
  changed_at timestamptz not null default clock_timestamp(),
  changed_by text not null default '',
  primary key (tenant_id, name)
);
select windlass_protect('desktop_skill');
