# One image for every service and for the standalone node:
#
#     docker build -t chappe .
#     docker run -p 7410:7410 -p 7420:7420 -v chappe:/data chappe              # one node: `chappe up`
#     docker run -e CHAPPE_STORE=... chappe gateway                            # a service of a cluster
#     docker run --rm chappe ranges --address gateway:7401 --admin-key ...     # the command-line tool
#
# What runs has no shell, no package manager and no root: Node, the libraries that it links, the code and its compiled form.

FROM node:22-bookworm-slim AS build
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates libatomic1 libjemalloc2 \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY . .
# Generated code, then the list of what is inside, then only what runs.
RUN npm ci --loglevel=error \
 && PATH="$PWD/node_modules/.bin:$PATH" buf generate --template proto/buf.gen.yaml --clean \
 && cp "$(readlink -f node_modules/.bin/node)" /usr/local/bin/chappe-node \
 && npm prune --omit=dev --loglevel=error \
 && npm sbom --omit=dev --package-lock-only --sbom-format=cyclonedx > sbom.cdx.json \
 && find node_modules/@signalapp/libsignal-client/prebuilds -mindepth 1 -maxdepth 1 -type d \
      ! -name "linux-$(chappe-node -p process.arch)" -exec rm -rf {} + \
 && find node_modules \( -name '*.map' -o -name '*.md' -o -name '*.d.ts' \) -delete
# Node, libsignal and jemalloc, each with the libraries that the loader would find for it.
RUN mkdir -p /root-fs/usr/bin /root-fs/usr/lib /root-fs/etc/ssl/certs /root-fs/data /root-fs/tmp \
 && cp /usr/local/bin/chappe-node /root-fs/usr/bin/node \
 && cp -L /usr/lib/*-linux-gnu/libjemalloc.so.2 /root-fs/usr/lib/ \
 && for file in /root-fs/usr/bin/node /root-fs/usr/lib/libjemalloc.so.2 node_modules/@signalapp/libsignal-client/prebuilds/*/*.node; do \
      ldd "$file" | grep -o '/[^ ]*' | while read -r library; do cp -L --parents -n "$library" /root-fs/; done; \
    done \
 && cp /etc/ssl/certs/ca-certificates.crt /root-fs/etc/ssl/certs/ \
 && echo 'chappe:x:10001:10001::/data:/nonexistent' > /root-fs/etc/passwd \
 && echo 'chappe:x:10001:' > /root-fs/etc/group \
 && echo 'hosts: files dns' > /root-fs/etc/nsswitch.conf \
 && chown 10001:10001 /root-fs/data && chmod 0700 /root-fs/data && chmod 1777 /root-fs/tmp
# Compiled with the options and by the user that the code is run with: for others it would be compiled anew.
ENV NODE_COMPILE_CACHE=/app/.cache \
    NODE_OPTIONS="--max-old-space-size=256 --max-semi-space-size=16"
RUN mkdir .cache && chown 10001:10001 .cache \
 && as_user='setpriv --reuid=10001 --regid=10001 --clear-groups' \
 && for service in gateway coordinator sender crypto relay billing; do \
      CHAPPE_ADMIN_KEY=only-to-compile-the-code CHAPPE_SHARD_ID=none \
        $as_user chappe-node services/image/src/main.ts "$service" --check-config || exit 1; \
    done \
 && $as_user chappe-node services/image/src/main.ts --help > /dev/null

FROM scratch
COPY --from=build /root-fs/ /
COPY --from=build /app/ /app/
# 10001 is nobody's elsewhere, so a file of the host is not ours by chance.
USER 10001:10001
WORKDIR /data
ENV NODE_ENV=production \
    NODE_COMPILE_CACHE=/app/.cache \
    NODE_OPTIONS="--max-old-space-size=256 --max-semi-space-size=16" \
    LD_PRELOAD=/usr/lib/libjemalloc.so.2 \
    MALLOC_CONF=narenas:2,dirty_decay_ms:1000 \
    CHAPPE_ADMIN_HOST=0.0.0.0
VOLUME /data
EXPOSE 7410 7420 7430
ENTRYPOINT ["/usr/bin/node", "/app/services/image/src/main.ts"]
CMD ["up", "--data", "/data", "--gateway", "0.0.0.0:7410", "--devices", "0.0.0.0:7420"]
LABEL org.opencontainers.image.title="Chappe" \
      org.opencontainers.image.description="Horizontally sharded, end-to-end-encrypted business messaging" \
      org.opencontainers.image.licenses="AGPL-3.0-only"
