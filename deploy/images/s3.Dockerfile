# syntax=docker/dockerfile:1

# An S3 server for a stack to try; production brings an endpoint of its own.
#   docker build -f deploy/images/s3.Dockerfile -t pairmill-s3:1.7.0 deploy/images

FROM golang:1.25.3-alpine3.22 AS build
ARG VERSION=1.7.0
RUN CGO_ENABLED=0 GOBIN=/out go install "github.com/versity/versitygw/cmd/versitygw@v${VERSION}"

FROM alpine:3.22.2
COPY --from=build /out/versitygw /usr/local/bin/versitygw
COPY --chmod=0755 s3.sh /usr/local/bin/s3.sh
RUN mkdir /data && chown 65532:65532 /data
VOLUME ["/data"]
EXPOSE 7070
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=6 CMD ["nc", "-z", "127.0.0.1", "7070"]
ENTRYPOINT ["/usr/local/bin/s3.sh"]
