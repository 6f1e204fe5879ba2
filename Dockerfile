# leavebridge in a container. The last stage is the production image and what `docker build .` makes;
# `docker build --target demo .` makes the one that holds the simulated Microsoft.

ARG RUST_IMAGE=rust:1.95-bookworm
# Has to offer the C library of RUST_IMAGE; nothing else of it is used.
ARG RUNTIME_IMAGE=debian:bookworm-slim

# The dependencies alone: this layer is built anew only when a manifest or the lock file changes.
FROM ${RUST_IMAGE} AS dependencies
WORKDIR /build
# Queries are checked against the committed .sqlx: no database at build time.
ENV SQLX_OFFLINE=true CARGO_INCREMENTAL=0
COPY Cargo.toml Cargo.lock ./
# Cargo reads the manifests of all packages and insists on a library where one is declared. The production build compiles
# the service alone: of the other packages it never has more than these empty files.
COPY crates/simulator/Cargo.toml crates/simulator/
COPY crates/stage/Cargo.toml crates/stage/
COPY crates/small-world/Cargo.toml crates/small-world/
RUN mkdir src crates/simulator/src crates/stage/src crates/small-world/src \
    && echo 'fn main() {}' >src/main.rs \
    && touch src/lib.rs crates/simulator/src/lib.rs crates/stage/src/lib.rs crates/small-world/src/lib.rs \
    && cargo build --release --locked --no-default-features --package leavebridge \
    && rm -r src

FROM dependencies AS source
COPY .sqlx .sqlx
COPY config config
COPY migrations migrations
COPY src src
# Cargo goes by file times, and a checkout may be older than the empty program above.
RUN touch src/lib.rs src/main.rs

FROM source AS build
RUN cargo build --release --locked --no-default-features --package leavebridge

FROM source AS build-demo
COPY crates crates
RUN touch crates/*/src/lib.rs \
    && cargo build --release --locked --package leavebridge

FROM ${RUNTIME_IMAGE} AS runtime
# Certificates come from the build image: no package is installed here, so nothing is fetched and nothing is left behind.
COPY --from=dependencies /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
# A number, so that an orchestrator can see that it is not root.
USER 10001:10001
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/leavebridge"]

FROM runtime AS demo
COPY --from=build-demo /build/target/release/leavebridge /usr/local/bin/leavebridge
EXPOSE 8090
CMD ["simulate", "--listen", "0.0.0.0:8090"]

FROM runtime AS production
COPY --from=build /build/target/release/leavebridge /usr/local/bin/leavebridge
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["/usr/local/bin/leavebridge", "healthcheck"]
CMD ["serve"]
