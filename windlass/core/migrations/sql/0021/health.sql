-- Health: how the parts of the installation were, minute by minute for two hours, and since when each is as it is.
create table health_part (
  name text primary key,
  grade text not null,                         -- pass warn fail
  since timestamptz not null,                  -- of this grade, without a gap in which nobody looked
  seen_at timestamptz not null
);
create table health_minute (
  part text not null,
  minute timestamptz not null,
  grade text not null,                         -- the worst that was found
  value double precision,                      -- the highest that was found; null: none
  primary key (part, minute)
);
grant select, insert, update, delete on health_part, health_minute to windlass_app;

-- Write down what was found at a moment; what is older than two hours goes.
create function record_health(p_at timestamptz, p_found jsonb) returns void language sql as $$
  insert into health_part as h (name, grade, since, seen_at)
  select f->>'name', f->>'grade', p_at, p_at from jsonb_array_elements(p_found) f order by 1
  on conflict (name) do update set
    since = case when h.grade = excluded.grade and h.seen_at > p_at - interval '3 minutes' then least(h.since, p_at) else p_at end,
    grade = excluded.grade, seen_at = greatest(h.seen_at, p_at);
  insert into health_minute as m (part, minute, grade, value)
  select f->>'name', date_trunc('minute', p_at), f->>'grade', (f->>'value')::double precision
  from jsonb_array_elements(p_found) f order by 1
  on conflict (part, minute) do update set value = greatest(m.value, excluded.value), grade = case
    when 'fail' in (m.grade, excluded.grade) then 'fail' when 'warn' in (m.grade, excluded.grade) then 'warn' else 'pass' end;
  delete from health_minute where minute < now() - interval '2 hours';
$$;
