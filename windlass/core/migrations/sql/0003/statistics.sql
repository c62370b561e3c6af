-- What runs came to, by hour and by agent.
create index run_ended on run (tenant_id, ended_at) where ended_at is not null;

-- The runs that ended within a time, counted by hour (`agent` null) and by agent (`hour` null; the dearest 200). A run that has
-- not ended yet counts with what it has used so far in the hour it is now. What was taken out of the lists still counts.
create function run_statistics(p_tenant uuid, p_person uuid, p_since timestamptz, p_until timestamptz)
returns table (hour timestamptz, agent text, finished bigint, failed bigint, cancelled bigint, live bigint,
               model_calls bigint, input_tokens bigint, output_tokens bigint, cost_usd numeric) language plpgsql as $$
#variable_conflict use_column
begin
  perform set_config('app.tenant', p_tenant::text, true);
  return query
  with counted as (
    select date_trunc('hour', r.ended_at, 'UTC') as hour, r.agent, r.status, r.model_calls, r.input_tokens, r.output_tokens, r.cost_usd
    from run r where r.tenant_id = p_tenant and r.ended_at >= p_since and r.ended_at < p_until and (p_person is null or r.created_by = p_person)
    union all
    select date_trunc('hour', now(), 'UTC'), r.agent, 'live', r.model_calls, r.input_tokens, r.output_tokens, r.cost_usd
    from run r where r.tenant_id = p_tenant and r.status in ('queued', 'starting', 'running', 'awaiting') and r.archived_at is null
      and now() >= p_since and now() < p_until and (p_person is null or r.created_by = p_person)
  ), summed as (
    select hour, agent, count(*) filter (where status = 'finished') as finished, count(*) filter (where status = 'failed') as failed,
           count(*) filter (where status = 'cancelled') as cancelled, count(*) filter (where status = 'live') as live,
           sum(model_calls)::bigint as model_calls, sum(input_tokens)::bigint as input_tokens,
           sum(output_tokens)::bigint as output_tokens, sum(cost_usd) as cost_usd,
           row_number() over (partition by agent is null order by sum(cost_usd) desc nulls last, count(*) desc, agent) as place
    from counted group by grouping sets ((hour), (agent))
  )
  select hour, agent, finished, failed, cancelled, live, model_calls, input_tokens, output_tokens, cost_usd
  from summed where agent is null or place <= 200 order by hour, place;
end $$;
