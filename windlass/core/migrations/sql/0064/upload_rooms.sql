-- How much room was asked for, for a file whose size nobody knows yet: so that not every chunk sums all that is there.
alter table upload_file add column room_bytes bigint not null default 0;
alter table upload_file no force row level security;
alter table upload_chunk no force row level security;
update upload_file f set room_bytes = (select coalesce(sum(c.size_bytes), 0) from upload_chunk c where c.file_id = f.id)
where f.size_bytes is null;
alter table upload_chunk force row level security;
alter table upload_file force row level security;
