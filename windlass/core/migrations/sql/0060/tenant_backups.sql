-- How an organisation was before a document was taken in; the last twenty are kept.
create table tenant_backup (
  id uuid primary key,
  tenant_id uuid not null references tenant on delete cascade,
  created_at timestamptz not null default clock_timestamp(),
  created_by uuid,
  document jsonb not null                      -- its sections as `GET /v1/exchange/export` has them
);
create index tenant_backup_of_tenant on tenant_backup (tenant_id, created_at desc);
select windlass_protect('tenant_backup');
