#!/bin/sh
# Starts the S3 server with its keys out of mounted files, and with the buckets named as arguments.
set -eu
ROOT_ACCESS_KEY="$(cat "${ACCESS_KEY_FILE}")"
ROOT_SECRET_KEY="$(cat "${SECRET_KEY_FILE}")"
export ROOT_ACCESS_KEY ROOT_SECRET_KEY
for bucket in "$@"; do
  mkdir -p "/data/${bucket}"
done
exec versitygw --port :7070 --region us-east-1 posix /data
