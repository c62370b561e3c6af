-- What asking the model provider has come to, minute by minute for two hours, over all organisations.
create table provider_minute (
  minute timestamptz not null,
  standin boolean not null,                    -- the scripted stand-in was asked, not the provider
  asked int not null,
  failed int not null,
  first_ms int[] not null,                     -- until the first words of an answer, ms; at most 200 answers
  error text,                                  -- why the last one that failed did
  primary key (minute, standin)
);
grant select on provider_minute to windlass_app;
grant select, insert, update, delete on provider_minute to windlass_jobs;

-- Add what was seen: [{at, standin, error?, first_ms?}]; what is older than two hours goes.
create function record_answers(p_seen jsonb) returns void language sql as $$
  insert into provider_minute as m (minute, standin, asked, failed, first_ms, error)
  select date_trunc('minute', (s->>'at')::timestamptz), (s->>'standin')::boolean, count(*), count(s->>'error'),
    coalesce(array_agg((s->>'first_ms')::int) filter (where s->>'first_ms' is not null), '{}'),
    (array_agg(s->>'error' order by s->>'at' desc) filter (where s->>'error' is not null))[1]
  from jsonb_array_elements(p_seen) s group by 1, 2 order by 1, 2
  on conflict (minute, standin) do update set asked = m.asked + excluded.asked, failed = m.failed + excluded.failed,
    first_ms = (m.first_ms || excluded.first_ms)[:200], error = coalesce(excluded.error, m.error);
  delete from provider_minute where minute < now() - interval '2 hours';
$$;
