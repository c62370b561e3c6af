-- The words of runs, to search in: title, agent, tags, what was filled in, what came of it, and what went wrong.

-- The words of a text, each once, in small letters. What the parser would take together (paths, signs of numbers) is parted.
create function words_of(p_text text) returns tsvector language sql immutable parallel safe as $$
  select strip(to_tsvector('simple', translate(p_text, $c$-_./:@~&<>=%+#?'"\$c$, '                  ')))
$$;

-- What a JSON value says, without the names of its fields; the first 8,000 characters.
create function text_in(p_value jsonb) returns text language sql immutable parallel safe as $$
  select left(string_agg(value #>> '{}', ' '), 8000)
  from jsonb_path_query(p_value, 'strict $.** ? (@.type() == "string" || @.type() == "number")') value
$$;

-- The words a text asks for, all of them: those of three letters and more by how they begin. Null: there are none.
create function asked_words(p_text text) returns tsquery language sql immutable parallel safe as $$
  select string_agg(quote_literal(word) || case when length(word) > 2 then ':*' else '' end, ' & ')::tsquery
  from unnest(words_of(p_text)) found (word)
$$;

create table run_words (
  run_id uuid primary key references run on delete cascade,
  tenant_id uuid not null,
  words tsvector not null                      -- and one that no text can have, `/tenant`: the index looks among a tenant's only
);
select windlass_protect('run_words');
select windlass_allow('run_words', 'windlass_jobs', '{select}');

create function words_of_run(r run) returns tsvector language sql immutable as $$
  select words_of(concat_ws(' ', r.title, r.agent, right(r.id::text, 8), array_to_string(r.tags, ' '), text_in(r.inputs), text_in(r.result),
                            left(concat_ws(' ', r.error->>'type', r.error->>'message'), 1000)))
         || array_to_tsvector(array['/' || r.tenant_id])
$$;

create function keep_run_words() returns trigger language plpgsql as $$
begin
  insert into run_words (run_id, tenant_id, words) values (new.id, new.tenant_id, words_of_run(new))
  on conflict (run_id) do update set words = excluded.words;
  return null;
end $$;
create trigger run_words_begin after insert on run for each row execute function keep_run_words();
create trigger run_words_change after update of title, tags, inputs, result, error on run for each row
  when (old.title is distinct from new.title or old.tags is distinct from new.tags or old.inputs is distinct from new.inputs
        or old.result is distinct from new.result or old.error is distinct from new.error)
  execute function keep_run_words();

-- Those there are, by a role that sees all: policies hold for the owner too, and for `no force` nobody could read runs meanwhile.
select windlass_allow('run_words', 'windlass_jobs', '{insert}');
set local role windlass_jobs;
insert into run_words (run_id, tenant_id, words) select r.id, r.tenant_id, words_of_run(r) from run r;
reset role;
drop policy windlass_jobs_insert on run_words;
revoke insert on run_words from windlass_jobs;
create index run_words_found on run_words using gin (words) with (gin_pending_list_limit = 256);

-- Runs of a tenant with all words of a text; null: more than `p_most` have them. The index cannot be used from behind a policy
-- (matching words may tell of rows one does not see): so this looks as a role with a policy that shows all, and asks for the tenant itself.
create function search_runs(p_tenant uuid, p_text text, p_most int) returns uuid[] language plpgsql stable as $$
declare
  wanted constant tsquery := asked_words(p_text);
  found_ids uuid[];
begin
  if p_tenant is distinct from current_tenant() then
    raise insufficient_privilege using message = 'runs are searched by their own organisation only';
  end if;
  if wanted is null then
    return '{}';
  end if;
  select array_agg(run_id) into found_ids from (
    select w.run_id from run_words w
    where w.words @@ (wanted && quote_literal('/' || p_tenant)::tsquery) and w.tenant_id = p_tenant limit p_most + 1) few;
  return case when cardinality(found_ids) > p_most then null else coalesce(found_ids, '{}') end;
end $$;
alter function search_runs(uuid, text, int) security definer set search_path = public, pg_temp;
revoke execute on function search_runs(uuid, text, int) from public;
grant execute on function search_runs(uuid, text, int) to windlass_app;
grant create on schema public to windlass_jobs;
alter function search_runs(uuid, text, int) owner to windlass_jobs;
revoke create on schema public from windlass_jobs;
