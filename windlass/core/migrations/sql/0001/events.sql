-- The event log: one head and one gapless list of events per stream, and the text that is still being written.
create table stream (
  id uuid primary key,                       -- UUIDv7, the id of the run, session or desktop it belongs to
  tenant_id uuid not null,
  kind text not null,
  last_seq bigint not null default 0,
  epoch int not null default 0,              -- raised each time a new executor takes over
  closed_at timestamptz                      -- set with the terminal event
) with (fillfactor = 50);                    -- updated at every append: room on the page keeps the update off the index

create table event (
  stream_id uuid not null,
  seq bigint not null,
  tenant_id uuid not null,
  at timestamptz not null default clock_timestamp(),
  kind text not null,
  producer text not null,                    -- named after the work, never after the process
  pseq bigint not null,                      -- the producer's own count
  epoch int not null,
  payload jsonb not null,
  xid xid8 not null default pg_current_xact_id(),  -- for readers across streams
  primary key (stream_id, seq),
  unique (stream_id, producer, pseq)
) partition by range (stream_id);

create table event_default partition of event default;
alter table event_default enable row level security;
alter table event_default force row level security;

-- Text on its way: lost in a crash, deleted when the final message of its item is stored.
create sequence event_delta_id;              -- logged, unlike the table: readers' cursors stay valid over a crash
create unlogged table event_delta (
  id bigint not null default nextval('event_delta_id'),
  tenant_id uuid not null,
  stream_id uuid not null,
  item text not null,
  attempt int not null,
  ord int not null,
  text text not null,
  primary key (stream_id, item, attempt, ord)
);

select windlass_protect('stream');
select windlass_protect('event');
select windlass_protect('event_delta');
select windlass_allow('stream', 'windlass_jobs', array['select']);
grant usage on sequence event_delta_id to windlass_app;

-- The smallest UUIDv7 of a moment.
create function uuid7_floor(p_at timestamptz) returns uuid language sql immutable as
$$ select (lpad(to_hex((extract(epoch from p_at) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid $$;

-- Make the monthly partitions from the month of `p_from` on; those that exist stay. Answers how many were made.
create function ensure_event_partitions(p_from date, p_months int) returns int
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
  month timestamp;
  name text;
  made int := 0;
begin
  perform pg_advisory_xact_lock(hashtext('event partitions'));
  for month in select generate_series(date_trunc('month', p_from::timestamp),
                                      date_trunc('month', p_from::timestamp) + make_interval(months => p_months - 1), '1 month') loop
    name := 'event_' || to_char(month, 'YYYY_MM');
    continue when to_regclass('public.' || name) is not null;
    execute format('create table public.%I partition of public.event for values from (%L) to (%L)', name,
                   uuid7_floor(month at time zone 'UTC'), uuid7_floor((month + interval '1 month') at time zone 'UTC'));
    execute format('alter table public.%I enable row level security', name);  -- no policy: read through the parent or not at all
    execute format('alter table public.%I force row level security', name);
    made := made + 1;
  end loop;
  return made;
end $$;
revoke all on function ensure_event_partitions(date, int) from public;
grant execute on function ensure_event_partitions(date, int) to windlass_jobs;
select ensure_event_partitions((now() at time zone 'UTC' - interval '1 month')::date, 6);

-- Open the log of a record. False: it was open already.
create function open_stream(p_tenant uuid, p_stream uuid, p_kind text) returns boolean language plpgsql as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  insert into stream (id, tenant_id, kind) values (p_stream, p_tenant, p_kind) on conflict (id) do nothing;
  return found;
end $$;

-- Take a stream over: the number its new executor writes with. Null: closed or unknown.
create function raise_epoch(p_tenant uuid, p_stream uuid) returns int language plpgsql as $$
declare
  raised int;
begin
  perform set_config('app.tenant', p_tenant::text, true);
  update stream set epoch = epoch + 1 where id = p_stream and tenant_id = p_tenant and closed_at is null returning epoch into raised;
  return raised;
end $$;

-- A status that ends its stream.
create function is_terminal(p_kind text, p_payload jsonb) returns boolean language sql immutable as
$$ select p_kind = 'status' and coalesce(p_payload->>'status', '') in ('finished', 'failed', 'cancelled') $$;

-- Append a batch, each event once: `n` is its place in the batch; a repeat answers its old `seq` and whether it says the same.
-- No row at all: the epoch is stale or the stream unknown, so the writer stops. A closed stream answers repeats only; what
-- follows a terminal status in its own batch is refused the same way. `p_epoch` null: a writer without attempts.
create function append_events(p_tenant uuid, p_stream uuid, p_epoch int, p_producers text[], p_pseqs bigint[], p_kinds text[], p_payloads jsonb[])
returns table (n int, seq bigint, same boolean, fresh boolean) language plpgsql set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
declare
  head stream%rowtype;
  longest int;
  last_n int;                                -- the place of the terminal status in the batch, if there is one
  added int := 0;
begin
  perform set_config('app.tenant', p_tenant::text, true);
  select max(octet_length(payload::text)), min(b.n) filter (where is_terminal(kind, payload)) into longest, last_n
  from unnest(p_kinds, p_payloads) with ordinality as b(kind, payload, n);
  if longest > 32768 then
    raise program_limit_exceeded using message = format('an event payload has %s bytes, at most 32768 are stored', longest),
                                       hint = 'Store it as an artifact first and append the reference.';
  end if;
  -- The row lock makes the order of commits the order of seq; the fresh snapshot of the next statement sees every earlier append.
  select * into head from stream where id = p_stream and tenant_id = p_tenant for no key update;
  if not found or p_epoch < head.epoch then
    return;
  end if;
  if head.closed_at is null then
    insert into event (stream_id, seq, tenant_id, kind, producer, pseq, epoch, payload)
    select p_stream, head.last_seq + row_number() over (order by b.n), p_tenant, b.kind, b.producer, b.pseq, coalesce(p_epoch, 0), b.payload
    from (select distinct on (producer, pseq) * from unnest(p_producers, p_pseqs, p_kinds, p_payloads) with ordinality as u(producer, pseq, kind, payload, n)
          order by producer, pseq, n) b
    where b.n <= coalesce(last_n, b.n)       -- a scalar look-up, not a join: one plan for short and long streams
      and (select e.seq from event e where e.stream_id = p_stream and e.producer = b.producer and e.pseq = b.pseq) is null
    order by b.n;
    get diagnostics added = row_count;
    update stream set last_seq = last_seq + added, epoch = greatest(epoch, p_epoch),
                      closed_at = case when last_n is not null then clock_timestamp() end
    where id = p_stream and tenant_id = p_tenant;
    if last_n is not null or 'message' = any(p_kinds) then
      delete from event_delta d where d.stream_id = p_stream and (last_n is not null or d.item in (
        select payload->>'item' from unnest(p_kinds, p_payloads) as u(kind, payload) where kind = 'message'));
    end if;
  end if;
  return query
  select b.n::int, e.seq, e.kind = b.kind and e.payload = b.payload,
         e.seq > head.last_seq and row_number() over (partition by e.seq order by b.n) = 1
  from unnest(p_producers, p_pseqs, p_kinds, p_payloads) with ordinality as b(producer, pseq, kind, payload, n)
  cross join lateral (select e.seq, e.kind, e.payload from event e
                      where e.stream_id = p_stream and e.producer = b.producer and e.pseq = b.pseq limit 1) e
  order by b.n;
end $$;

-- Read on from a cursor; `p_kinds` null: every kind.
create function read_events(p_tenant uuid, p_stream uuid, p_after bigint, p_limit int, p_kinds text[] default null)
returns table (seq bigint, at timestamptz, kind text, payload jsonb) language plpgsql set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
begin
  perform set_config('app.tenant', p_tenant::text, true);
  return query select e.seq, e.at, e.kind, e.payload from event e
    where e.stream_id = p_stream and e.seq > p_after and (p_kinds is null or e.kind = any(p_kinds)) order by e.seq limit p_limit;
end $$;

-- Where one stream of the tenant stands: no row, unknown.
create function stream_head(p_tenant uuid, p_stream uuid) returns table (last_seq bigint, epoch int, is_closed boolean) language plpgsql as $$
#variable_conflict use_column
begin
  perform set_config('app.tenant', p_tenant::text, true);
  return query select last_seq, epoch, closed_at is not null from stream where id = p_stream and tenant_id = p_tenant;
end $$;

-- Where many streams stand, across tenants: the fallback poll of the gateways (windlass_jobs).
create function stream_heads(p_ids uuid[]) returns table (id uuid, last_seq bigint) language sql stable as
$$ select id, last_seq from stream where id = any(p_ids) $$;

-- Append text on its way, all of one batch or, with a stale epoch or a closed stream, nothing. Answers how many were new.
-- A higher attempt of an item supersedes the text of the lower ones.
create function append_deltas(p_tenant uuid, p_stream uuid, p_epoch int, p_items text[], p_attempts int[], p_ords int[], p_texts text[])
returns int language plpgsql as $$
declare
  added int;
begin
  perform set_config('app.tenant', p_tenant::text, true);
  perform from stream where id = p_stream and tenant_id = p_tenant and closed_at is null and (p_epoch is null or p_epoch >= epoch);
  if not found then
    return 0;
  end if;
  delete from event_delta d using unnest(p_items, p_attempts) as b(item, attempt)
  where d.stream_id = p_stream and d.item = b.item and d.attempt < b.attempt;
  insert into event_delta (tenant_id, stream_id, item, attempt, ord, text)
  select p_tenant, p_stream, b.* from unnest(p_items, p_attempts, p_ords, p_texts) as b(item, attempt, ord, text)
  on conflict do nothing;
  get diagnostics added = row_count;
  return added;
end $$;

-- Read the text on its way after a delta id, in the order it was written.
create function read_deltas(p_tenant uuid, p_stream uuid, p_after bigint)
returns table (id bigint, item text, attempt int, ord int, text text) language plpgsql as $$
#variable_conflict use_column
begin
  perform set_config('app.tenant', p_tenant::text, true);
  return query select d.id, d.item, d.attempt, d.ord, d.text from event_delta d
    where d.stream_id = p_stream and d.id > p_after order by d.id limit 500;
end $$;
