-- Lease up to `p_block` places of a GCRA limit at once: how many were granted, how many are left, and when none was, the seconds to wait.
create function identity_lease(p_key text, p_limit int, p_period interval, p_block int)
returns table (granted int, remaining int, wait_s double precision) language plpgsql as $$
declare
  step interval := p_period / p_limit;
  at timestamptz;
  due timestamptz;
  free int;
begin
  insert into rate_limit as r (key, tat) values (p_key, '-infinity') on conflict (key) do update set key = r.key returning r.tat into due;
  at := clock_timestamp();                     -- read while the row is ours: two gateways take turns
  due := greatest(due, at);
  free := greatest(0, floor(extract(epoch from at + p_period - due) / extract(epoch from step) + 1e-6))::int;
  granted := least(p_block, free);
  remaining := free - granted;
  wait_s := case when free = 0 then extract(epoch from due + step - p_period - at) end;
  if granted > 0 then
    update rate_limit r set tat = due + granted * step where r.key = p_key;
  end if;
  return next;
end $$;
alter function identity_lease(text, int, interval, int) security definer set search_path = public, pg_temp;
revoke execute on function identity_lease(text, int, interval, int) from public;
grant execute on function identity_lease(text, int, interval, int) to windlass_app;
alter function identity_lease(text, int, interval, int) owner to windlass_identity;
