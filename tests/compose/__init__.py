"""docker-compose.yml itself, run with images that are built here."""
