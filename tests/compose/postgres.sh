#!/bin/sh
# PostgreSQL as its official image starts it: a cluster with one user and database at the first start, then the server.
set -eu
bin=$(echo /usr/lib/postgresql/*/bin)
data=/var/lib/postgresql/data
if [ ! -e "$data/ready" ]; then
  rm -rf "$data"
  (umask 077; printf %s "$POSTGRES_PASSWORD" > /tmp/password)
  "$bin/initdb" --pgdata="$data" --username="$POSTGRES_USER" --pwfile=/tmp/password --encoding=UTF8 --locale=C.UTF-8 $POSTGRES_INITDB_ARGS
  rm /tmp/password
  echo "host all all all scram-sha-256" >> "$data/pg_hba.conf"
  "$bin/pg_ctl" --pgdata="$data" --wait start --options="-c listen_addresses='' -c unix_socket_directories=/tmp"
  "$bin/createdb" --host=/tmp --username="$POSTGRES_USER" "$POSTGRES_DB"
  "$bin/pg_ctl" --pgdata="$data" --wait stop
  touch "$data/ready"
fi
shift # the word postgres
exec "$bin/postgres" -D "$data" -c listen_addresses='*' "$@"
