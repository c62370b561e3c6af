"""The host: the small server that executes the runs of a service, in the service's own process."""
