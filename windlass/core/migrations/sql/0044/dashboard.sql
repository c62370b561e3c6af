-- What runs came to over a day, a week or a month: everything the figures are made of stands in the indexes themselves.

-- What went wrong without what differs from run to run: ids, numbers, what is quoted. Null: nothing did.
create function error_group(p_error jsonb) returns text language sql immutable as $$
  select left(regexp_replace(regexp_replace(regexp_replace(
    concat_ws(': ', p_error->>'type', split_part(left(p_error->>'message', 600), E'\n', 1)),
    '[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|\m(0x)?(?=[0-9a-f]*[0-9])[0-9a-f]{8,}\M', '…', 'g'),
    '"[^"]*"|''[^'']*''', '…', 'g'),
    '[0-9]+([.,:][0-9]+)*', '…', 'g'), 200)
  where jsonb_typeof(p_error) = 'object'
$$;
alter table run add column error_group text generated always as (error_group(error)) stored;

drop index run_ended;
create index run_ended on run (tenant_id, ended_at)
  include (agent, status, created_by, created_at, started_at, model_calls, input_tokens, output_tokens, cost_usd) where ended_at is not null;
create index run_of_agent on run (tenant_id, agent, ended_at) include (status, created_by, created_at, started_at, id) where ended_at is not null;
create index run_failures on run (tenant_id, ended_at) include (agent, created_by, archived_at, error_group, id) where status = 'failed';
