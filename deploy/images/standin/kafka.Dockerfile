# Apache Kafka out of the jars that `python -m deploy.local fetch` brings, for clusters that can pull no image: the
# scripts that the demo of the chart calls stand where the official image has them.
#   docker build -f deploy/images/standin/kafka.Dockerfile -t pairmill-kafka:4.3.1 CONTEXT
# CONTEXT is the folder of Kafka in the cache, with this folder's kafka.sh in it: `make images-standin` puts it together.

ARG BASE=debian:12.12-slim
FROM ${BASE}
# Java's package links its manual pages, and slim bases have no folder for them.
RUN mkdir -p /usr/share/man/man1 \
 && apt-get update \
 && apt-get install -y --no-install-recommends openjdk-17-jre-headless \
 && rm -rf /var/lib/apt/lists/*
COPY lib/ /opt/kafka/libs/
COPY kafka.sh /opt/kafka/bin/kafka.sh
RUN chmod 0755 /opt/kafka/bin/kafka.sh \
 && ln -s kafka.sh /opt/kafka/bin/kafka-storage.sh \
 && ln -s kafka.sh /opt/kafka/bin/kafka-server-start.sh
EXPOSE 9092
USER 65532:65532
ENTRYPOINT ["/opt/kafka/bin/kafka-server-start.sh"]
