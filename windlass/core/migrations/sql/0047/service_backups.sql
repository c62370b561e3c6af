-- How the services of an organisation were before an import; the last twenty are kept.
create table service_backup (
  id uuid primary key,
  tenant_id uuid not null references tenant on delete cascade,
  created_at timestamptz not null default clock_timestamp(),
  created_by uuid,
  document jsonb not null                      -- the services as `GET /v1/services/export` has them
);
create index service_backup_of_tenant on service_backup (tenant_id, created_at desc);
select windlass_protect('service_backup');
