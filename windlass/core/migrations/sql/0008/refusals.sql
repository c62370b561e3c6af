-- Sign-ins that were refused. Of somebody we know a row goes to the audit log of the tenant they would have entered: at most
-- ten in a quarter of an hour, then the limiter answers. Of anybody else the newest ones are kept: nobody can fill the disk by guessing.
create table refused_sign_in (
  id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  email text not null,
  address text not null,
  request_id text not null
);
alter table refused_sign_in enable row level security, force row level security;
select windlass_allow('refused_sign_in', 'windlass_identity', '{select,insert,delete}');

-- The same work for both kinds: the time it takes tells nobody who exists.
create function identity_note_refusal(p_person uuid, p_email text, p_address text, p_request text, p_kept bigint) returns void language plpgsql as $$
declare
  place uuid := (select tenant_id from identity_tenants(p_person) limit 1);
  added bigint;
begin
  if place is not null then
    insert into audit (tenant_id, address, request_id, action, subject, after)
    values (place, p_address, p_request, 'session.refuse', 'person:' || p_person, jsonb_build_object('email', p_email));
    return;
  end if;
  insert into refused_sign_in (email, address, request_id) values (p_email, p_address, p_request) returning id into added;
  delete from refused_sign_in where id <= added - p_kept;
end $$;

create function identity_refusals(p_before bigint, p_limit int) returns setof refused_sign_in language sql stable as
$$ select * from refused_sign_in where p_before is null or id < p_before order by id desc limit p_limit $$;

do $$
declare
  f regprocedure;
begin
  for f in select oid::regprocedure from pg_proc where proname in ('identity_note_refusal', 'identity_refusals') loop
    execute format('alter function %s security definer set search_path = public, pg_temp', f);
    execute format('revoke execute on function %s from public', f);
    execute format('grant execute on function %s to windlass_app', f);
    execute format('alter function %s owner to windlass_identity', f);
  end loop;
end $$;
