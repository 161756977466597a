# The image where a container engine is at hand: the same layer as that of `make image`, which needs none. It copies the binary that
# `make image-binaries` builds; for another platform than amd64 give its target: --build-arg TARGET=aarch64-unknown-linux-musl.
FROM scratch
ARG TARGET=x86_64-unknown-linux-musl
COPY LICENSE target/${TARGET}/packed/gatewright /
USER 65532:65532
ENTRYPOINT ["/gatewright"]
