-- Passwords that are filled into forms: the inputs hold a mask in their place, and here is all of it, sealed.
alter table run add column sealed bytea;
alter table question add column sealed bytea;
alter table task_version add column sealed bytea;

-- What a run's executor opens for its host: the first of its tries, which all of it is bound to, and the inputs.
create function run_secrets(p_tenant uuid, p_run uuid) returns jsonb language plpgsql as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  return (select jsonb_build_object('root', root_id, 'sealed', encode(sealed, 'base64')) from run where id = p_run);
end $$;

-- As before, with what is sealed beside it.
create or replace function run_questions(p_tenant uuid, p_run uuid, p_attempt int) returns jsonb language plpgsql as $$
declare
  late question;
  stored record;
begin
  perform set_config('app.tenant', p_tenant::text, true);
  if exists (select from question where run_id = p_run and state = 'open' and expires_at <= clock_timestamp()) then
    perform from stream where id = p_run for no key update;  -- whoever answers at this moment comes before or after
    for late in select * from question where run_id = p_run and state = 'open' and expires_at <= clock_timestamp() order by expires_at loop
      for stored in select * from run_append(p_tenant, p_run, null, array['expiry:' || late.key], array[late.attempt::bigint], array['question'],
        array[jsonb_build_object('question_id', late.id, 'key', late.key, 'kind', late.kind, 'name', late.name,
                                 'expires_at', late.expires_at, 'state', 'expired')]) loop
        null;
      end loop;
    end loop;
  end if;
  return coalesce((select jsonb_agg(jsonb_build_object('key', key, 'question_id', id, 'state', state, 'result', result, 'inputs', inputs,
                     'unsettled', unsettled, 'by', answered_by_name, 'answers', answers, 'expires_at', expires_at,
                     'sealed', encode(sealed, 'base64')) order by asked_at)
                   from question where run_id = p_run and (state in ('open', 'answered') or attempt = p_attempt)), '[]');
end $$;
-- A new try begins with the answers of the old one, like with its steps.
create or replace function copy_answers(p_old uuid, p_new uuid, p_before timestamptz) returns void language sql as $$
  insert into question (id, tenant_id, run_id, key, kind, name, data, elements, handled, state, attempt, asked_at, expires_at, answers, answered_at,
                        answered_by, answered_by_name, inputs, result, unsettled, sealed, kept_from)
  select gen_random_uuid(), tenant_id, p_new, key, kind, name, data, elements, handled, state, 1, asked_at, expires_at, answers, answered_at,
         answered_by, answered_by_name, inputs, result, unsettled, sealed, coalesce(kept_from, run_id)
  from question where run_id = p_old and state = 'answered' and (p_before is null or answered_at <= p_before)
$$;

-- A run that is forgotten has no passwords any more, and what its flow decided goes as well.
create or replace function forget_run(p_tenant uuid, p_run uuid) returns int language plpgsql as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  update run set forgotten_at = clock_timestamp(), title = agent, tags = '{}', inputs = '{}', extra = '{}', result = null,
    error = null, meta = '{}', cancel_reason = null, sealed = null, launch = null
  where id = p_run and archived_at is not null and forgotten_at is null;
  if not found then
    return null;
  end if;
  delete from step where run_id = p_run;
  delete from question where run_id = p_run;
  delete from run_file where run_id = p_run;
  return forget_log(p_run);
end $$;
