#!/bin/sh
# Makes what compose.yaml mounts as secrets, in the folder secrets/ beside it: random, once.
#
#   deploy/compose/secrets.sh
set -eu
dir=$(dirname "$0")/secrets
[ ! -e "$dir" ] || { echo "$dir is there already: remove it to make others" >&2; exit 1; }
umask 077
mkdir "$dir"
random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

for name in postgres_password grafana_password prometheus_token operator_token; do
  random > "$dir/$name"
done
for name in prometheus_token operator_token; do
  sha256sum < "$dir/$name" | cut -d' ' -f1 > "$dir/$name.sha256"
done
printf 'postgresql+psycopg://whydrift:%s@db/whydrift' "$(cat "$dir/postgres_password")" \
  > "$dir/store_url"
# Containers read them under accounts of their own; the folder lets nobody else in.
chmod 444 "$dir"/*
