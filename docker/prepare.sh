#!/bin/sh
# Makes the secrets that the parts share, each once and at random, into folders that only who needs them mounts:
#
#   $1/api/       database-url  worker-token  admin-token  s3-access-key-id  s3-secret-access-key
#   $1/worker/    worker-token
#   $1/database/  password
#   $1/store/     s3.json
#
# $2 is how the API reaches the database: user@host:port/name. Folders named after it are given to the user 1000, who
# writes there. Run again, it changes nothing.
set -eu
secrets=$1
database=$2
shift 2
umask 022

random() { head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n'; }
# Whole or not at all: a file that was half written would be taken for a secret at the next start.
write() { printf '%s' "$2" > "$1.new" && mv "$1.new" "$1"; }

mkdir -p "$secrets/api" "$secrets/worker" "$secrets/database" "$secrets/store"
if [ ! -e "$secrets/api/complete" ]; then
  password=$(random)
  worker=$(random)
  id=hub
  key=$(random)
  write "$secrets/database/password" "$password"
  write "$secrets/api/database-url" "postgresql://${database%%@*}:$password@${database#*@}"
  write "$secrets/api/worker-token" "$worker"
  write "$secrets/worker/worker-token" "$worker"
  write "$secrets/api/admin-token" "mh_admin_$(random)"
  write "$secrets/api/s3-access-key-id" "$id"
  write "$secrets/api/s3-secret-access-key" "$key"
  write "$secrets/store/s3.json" "{\"identities\":[{\"name\":\"hub\",\"credentials\":[{\"accessKey\":\"$id\",\"secretKey\":\"$key\"}],\"actions\":[\"Admin\",\"Read\",\"Write\",\"List\",\"Tagging\"]}]}"
  write "$secrets/api/complete" yes
fi
for folder in "$@"; do chown 1000:1000 "$folder"; done
