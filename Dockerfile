# Promises a small image with the service and nothing else, run by an ordinary user; settings come from the environment only.
FROM rust:1.95-bookworm AS build
WORKDIR /build
COPY . .
# The image's own toolchain is used; the file would make rustup fetch formatter and linter.
RUN rm -f rust-toolchain.toml
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked --features s3 && install -D target/release/entas /out/entas

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin entas \
    && install -d -o entas -g entas -m 700 /keys /spool /attachments
COPY --from=build /out/entas /usr/local/bin/entas
# The licence of the region codes that the program carries.
COPY data/README.md data/LICENSE-ODbL.txt /usr/share/doc/entas/
USER 10001:10001
WORKDIR /spool
ENV ENTAS_BIND=0.0.0.0:8080 ENTAS_LOG=json ENTAS_KEY_FILE=/keys/keys ENTAS_SPOOL_DIR=/spool ENTAS_ATTACHMENT_STORE=/attachments
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 CMD ["entas", "healthcheck"]
ENTRYPOINT ["entas"]
CMD ["serve"]
