#!/bin/sh
# Makes an authority and one certificate each for scheduler, workers and whoever asks them.
#
#   deploy/certificates.sh DIR [NAME...]      NAME: further host names of the scheduler
set -eu
dir=${1:?Name a folder for the certificates}
shift
days=${DAYS:-365}
umask 077
mkdir -p "$dir"
[ ! -e "$dir/ca.key" ] || { echo "$dir/ca.key is there already: name another folder" >&2; exit 1; }

names="DNS:whydrift-dask-scheduler,DNS:whydrift-dask-scheduler.whydrift.svc,DNS:localhost,IP:127.0.0.1"
for name in "$@"; do names="$names,DNS:$name"; done

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days "$days" \
  -subj "/CN=whydrift dask authority" -keyout "$dir/ca.key" -out "$dir/ca.pem" 2>/dev/null
for role in scheduler worker client; do
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
    -subj "/CN=whydrift-dask-$role" -keyout "$dir/$role.key" -out "$dir/$role.csr" 2>/dev/null
  {
    echo "extendedKeyUsage=serverAuth,clientAuth"
    if [ "$role" = scheduler ]; then echo "subjectAltName=$names"; fi
  } > "$dir/$role.ext"
  openssl x509 -req -in "$dir/$role.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -CAcreateserial \
    -days "$days" -extfile "$dir/$role.ext" -out "$dir/$role.pem" 2>/dev/null
  rm "$dir/$role.csr" "$dir/$role.ext"
done
