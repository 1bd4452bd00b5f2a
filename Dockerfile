# A static binary in an empty image: a few MiB, no shell, no package to patch.
FROM rust:1.95-alpine AS build
RUN apk add --no-cache musl-dev nodejs npm
WORKDIR /src
COPY . .
# The web page belongs into the image: without it there is none.
ENV WEB_UI=require
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/root/.npm \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package chronoxide-cli \
    && install -D target/release/chronoxide /out/chronoxide \
    && install -d -m 0700 -o 65532 -g 65532 /out/data

FROM scratch
COPY --from=build /out/chronoxide /chronoxide
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
VOLUME /data
ENV CHRONOXIDE_STORAGE_PATH=/data \
    CHRONOXIDE_HTTP_LISTEN=0.0.0.0:8490 \
    CHRONOXIDE_OTLP_HTTP_LISTEN=0.0.0.0:4318 \
    CHRONOXIDE_OTLP_GRPC_LISTEN=0.0.0.0:4317
EXPOSE 8490 4317 4318
HEALTHCHECK --interval=5s --timeout=3s --start-period=5s CMD ["/chronoxide", "healthcheck"]
ENTRYPOINT ["/chronoxide"]
