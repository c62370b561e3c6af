"""docker-compose.yml itself, run with images that are built here: `make test-compose`, not part of `make test`."""
