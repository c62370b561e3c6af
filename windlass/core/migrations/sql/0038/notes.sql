-- What whoever gave the screen back last says to the model that goes on.
alter table desktop add column hand_note text not null default '';

-- Let go of the screen, whoever has it. The second time nothing changes.
drop function give_desktop_back(uuid, uuid);
create function give_desktop_back(p_tenant uuid, p_desktop uuid, p_note text default '') returns setof desktop language plpgsql as $$
declare
  d desktop;
begin
  perform set_config('app.tenant', p_tenant::text, true);
  select * into d from desktop where id = p_desktop and deleted_at is null for no key update;
  if d.holder is not null then
    update desktop set holder = null, holder_name = '', held_at = null, held_until = null, handed_at = clock_timestamp(), hand_note = p_note
    where id = p_desktop;
    perform desktop_event(p_tenant, p_desktop, jsonb_strip_nulls(jsonb_build_object(
      'status', d.status, 'reason', d.holder_name || ' gave the screen back', 'note', nullif(p_note, ''))));
  end if;
  return query select * from desktop where id = p_desktop and deleted_at is null;
end $$;

-- Who has the screen now, if somebody does, until when somebody had it, and what they said when they gave it back: whoever
-- let it expire said nothing.
drop function desktop_hand(uuid, uuid);
create function desktop_hand(p_tenant uuid, p_desktop uuid) returns table (holder text, handed_at timestamptz, note text) language plpgsql as $$
begin
  perform set_config('app.tenant', p_tenant::text, true);
  return query select case when desktop_is_held(d) then d.holder_name end, greatest(d.handed_at, d.held_until),
    case when d.held_until is null then d.hand_note else '' end from desktop d where d.id = p_desktop;
end $$;
