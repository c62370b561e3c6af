-- What a service is called on pages; empty: its name. Nothing starts anew for it.
alter table service add column display text not null default '';
