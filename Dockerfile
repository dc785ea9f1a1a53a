# The service as one file on a base without a shell. Both bases can be pinned:
# docker build --build-arg BUN_IMAGE=oven/bun:1.4.5@sha256:… --build-arg RUNTIME_IMAGE=…:nonroot@sha256:… .
ARG BUN_IMAGE=oven/bun:1.4.5
ARG RUNTIME_IMAGE=gcr.io/distroless/base-debian12:nonroot

# Built anew only when a manifest or the lock changes.
FROM ${BUN_IMAGE} AS dependencies
WORKDIR /app
COPY package.json bun.lock bunfig.toml ./
COPY shared/package.json shared/
RUN --mount=type=cache,target=/root/.bun/install/cache \
    bun install --frozen-lockfile --production

FROM dependencies AS build
COPY tsconfig.json ./
COPY scripts/build.ts scripts/
COPY shared shared
COPY src src
# Times are part of a layer: fixed, the same source gives the same layer.
ARG SOURCE_DATE_EPOCH=0
RUN mkdir -p /image/secrets \
 && bun scripts/build.ts --outfile=/image/service \
 && touch --date=@${SOURCE_DATE_EPOCH} /image/service /image/secrets

# For compose.dev.yaml: the source is mounted, and runs from there.
FROM dependencies AS development
RUN install -d -o 65532 -g 65532 .data
COPY tsconfig.json ./
CMD ["bun", "scripts/dev.ts"]

FROM ${RUNTIME_IMAGE}
# A new volume takes owner and mode of the folder that it covers.
COPY --from=build --chown=65532:65532 --chmod=0750 /image/secrets /secrets
COPY --from=build --chmod=0555 /image/service /service
USER 65532:65532
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=4s --start-period=30s --start-interval=1s CMD ["/service", "healthcheck"]
ENTRYPOINT ["/service"]
CMD ["serve"]
# What changes with every build comes last.
ARG VERSION=0.0.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="example-service" \
      org.opencontainers.image.description="An event-driven HTTP service on Bun" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}"
