-- How large a file is may show only when all of it is there.
alter table upload_file alter column size_bytes drop not null;
alter table upload_file add check (size_bytes is not null or digest is null);
