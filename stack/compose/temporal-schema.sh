#!/bin/sh
# Create and update Temporal's two databases. The second time nothing happens.
set -eu
for name in temporal visibility; do
  database=$([ "$name" = temporal ] && echo temporal || echo temporal_visibility)
  tool() { temporal-sql-tool --plugin postgres12 --ep "$POSTGRES_SEEDS" -p "$DB_PORT" -u "$POSTGRES_USER" --db "$database" "$@"; }
  tool create
  tool setup-schema -v 0.0
  tool update-schema -d "/etc/temporal/schema/postgresql/v12/$name/versioned"
done
