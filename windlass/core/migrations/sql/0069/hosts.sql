-- Processes of services that ended long ago are forgotten: a service that does not come up leaves thousands of them a day.
select windlass_allow('host', 'windlass_jobs', '{delete}');
create index host_ended on host (ended_at) where ended_at is not null;

-- What is there now is found among what is there, however many there were before.
create index host_living on host (service_id, replica) where ended_at is null;
