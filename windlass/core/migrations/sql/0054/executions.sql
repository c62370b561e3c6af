-- What workflows of sessions have left in Temporal: noted before the turn begins, gone once Temporal has let it go.
create table session_execution (
  id uuid primary key,                         -- Temporal's
  session_id uuid not null references session on delete cascade,
  tenant_id uuid not null,
  looked_at timestamptz not null default clock_timestamp()
);
create index session_execution_due on session_execution (looked_at);

select windlass_protect('session_execution');
select windlass_allow('session_execution', 'windlass_jobs', '{select,update,delete}');

-- As begin_turn, for an execution that is noted first.
create function begin_turn(p_tenant uuid, p_session uuid, p_execution uuid) returns jsonb language plpgsql as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  insert into session_execution (id, session_id, tenant_id) select p_execution, id, p_tenant from session
  where id = p_session and p_execution is not null on conflict do nothing;
  return begin_turn(p_tenant, p_session);
end $$;
