-- Whether nobody has ever signed in: then the sign-in page says where the first password stands.
create function identity_is_fresh() returns boolean language sql stable security definer set search_path = public, pg_temp as $$
  select not exists (select from login_session)
$$;
revoke execute on function identity_is_fresh() from public;
grant execute on function identity_is_fresh() to windlass_app;
alter function identity_is_fresh() owner to windlass_identity;
