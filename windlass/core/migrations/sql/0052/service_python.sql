-- The Python a service asks for, as uv understands it ("3.12"); empty: the platform's own.
alter table service add column python text not null default '';
