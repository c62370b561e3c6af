-- Views: what somebody wants to see of a list, under a name; the filters as they stand in the page's address.
create table saved_view (
  tenant_id uuid not null,
  person_id uuid not null,
  list text not null,                          -- runs
  name text not null,
  query text not null,
  created_at timestamptz not null default clock_timestamp(),
  primary key (tenant_id, person_id, list, name)
);
select windlass_protect('saved_view');
