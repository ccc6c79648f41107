# versitygw as `python -m deploy.local fetch` builds it, for clusters that can pull no image.
#   docker build -f deploy/images/standin/s3.Dockerfile -t pairmill-s3:1.7.0 CONTEXT
# CONTEXT is the folder of versitygw in the cache (`make images-standin`).

ARG BASE=debian:12.12-slim
FROM ${BASE}
COPY versitygw /usr/local/bin/versitygw
EXPOSE 7070
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/versitygw"]
