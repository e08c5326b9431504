# syntax=docker/dockerfile:1
# The program alone, static, as nobody: docker build -t seedbed . && docker run --rm seedbed version
# It judges and looks; steps that run a repository's code want that repository's
# tools beside them, which this image does not have.
FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o /seedbed ./cmd/seedbed

FROM debian:12.12-slim AS certificates
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*

FROM scratch
COPY --from=certificates /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /seedbed /seedbed
USER 65532:65532
ENTRYPOINT ["/seedbed"]
