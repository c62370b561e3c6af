-- Secrets of services: variables of their environment that are written and never read back.
alter table service add column secrets bytea;                         -- {name: value}, sealed
alter table service add column secret_names text[] not null default '{}';
