-- Services that others run: where their OpenAPI document is. They have no program here, so nobody keeps them up.
alter table service add column url text not null default '';
alter table service add check (url = '' or project = '' and import_path = '');
