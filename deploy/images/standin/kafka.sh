#!/bin/sh
# kafka-storage.sh and kafka-server-start.sh in one: which of them is in the name that it is called by.
set -eu
case "$(basename "$0")" in
  kafka-storage.sh) class=kafka.tools.StorageTool heap=-Xmx128m ;;
  kafka-server-start.sh) class=kafka.Kafka heap="${KAFKA_HEAP_OPTS:--Xmx512m}" ;;
  *) echo "$0: called by a name that it does not know" >&2; exit 2 ;;
esac
# The heap may be several options.
# shellcheck disable=SC2086
exec java ${heap} -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
  -Dorg.slf4j.simpleLogger.showDateTime=true "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS" \
  -cp "/opt/kafka/libs/*" "${class}" "$@"
