# The image: Node.js, production dependencies and the source without its types. How to run it: docs/how-to/container-image.md

FROM node:26-bookworm-slim AS build
WORKDIR /ociregistry
COPY package.json package-lock.json .npmrc ./
# The base brings Node.js, so the optional packages that carry one stay out. better-sqlite3 brings SQLite's sources and
# a binary for each platform: the one for this platform is loaded.
RUN npm ci --omit=dev --omit=optional \
 && rm -rf node_modules/better-sqlite3/deps node_modules/better-sqlite3/src \
 && find node_modules/better-sqlite3/prebuilds -type f \
      ! -name "linux-$(node -p process.arch).node" -delete
COPY src src
COPY config/image config/image
# Without the argument: when this step ran.
ARG BUILD_DATE
RUN node config/image/build.js \
 && find src -mindepth 1 -maxdepth 1 ! -name bin.js -exec rm -rf {} + \
 && ln -s src/bin.js server \
 && echo "${BUILD_DATE:-$(date -u +%Y-%m-%dT%H:%M:%SZ)}" > dist/build-date \
 && chmod -R a+rX config package.json src dist \
 && install -d -o 65532 -g 65532 .cache
# A server that answered fills Node's compile cache, which lies in a folder of the user's number and is only read from then on.
USER 65532:65532
RUN node config/image/first-run.js ./server \
 && chmod -R a+rX .cache \
 && test -n "$(find .cache -type f)"

FROM node:26-bookworm-slim
# The original's path of the program, a name on PATH, and the one folder that is written to.
COPY --from=build --chown=0:0 /ociregistry /ociregistry
RUN ln -s /ociregistry/server /usr/local/bin/ociregistry \
 && install -d -o 65532 -g 65532 /var/lib/ociregistry
# V8 thinks of no one else: by itself it lets its heap grow to all of a small container.
ENV NODE_ENV=production NODE_OPTIONS=--max-old-space-size-percentage=40
USER 65532:65532
VOLUME /var/lib/ociregistry
EXPOSE 8080
ENTRYPOINT ["ociregistry"]
CMD ["serve"]
