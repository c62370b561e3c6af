-- Archives in which programs of services were sent (`{tenant}/sources/{digest}`). What names them: a service, or what is kept
-- from before an import. What nothing names for a day goes, row and bytes.
create table service_archive (
  tenant_id uuid not null,
  digest text not null,
  size_bytes bigint not null,
  touched_at timestamptz not null default clock_timestamp(),  -- when it was last sent, or a service began or ceased to name it
  primary key (tenant_id, digest)
);
create index service_archive_untouched on service_archive (touched_at);
select windlass_protect('service_archive');
select windlass_allow('service_archive', 'windlass_jobs', '{select,update,delete}');  -- update: to lock what is deleted
select windlass_allow('service_backup', 'windlass_jobs', '{select}');

-- Whoever removes an archive holds its row: then a service that is about to name it waits, and it is gone before it is named.
create function touch_service_archive() returns trigger language plpgsql as $$
begin
  update service_archive set touched_at = clock_timestamp()
  where tenant_id = coalesce(new.tenant_id, old.tenant_id)
    and digest in (substring(old.project from '^archive:(.*)'), substring(new.project from '^archive:(.*)'));
  return null;
end $$;
create trigger names after insert or delete or update of project on service for each row execute function touch_service_archive();

-- What is named already; how large it is, is known when it is sent again.
alter table service no force row level security;
alter table service_archive no force row level security;
insert into service_archive (tenant_id, digest, size_bytes)
select distinct tenant_id, substring(project from '^archive:(.*)'), 0 from service where project ~ '^archive:[0-9a-f]{64}$';
alter table service force row level security;
alter table service_archive force row level security;
