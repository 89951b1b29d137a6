# Builds the service; run it with a volume for its private PostgreSQL, or with DATABASE_URL for one of yours:
#   docker build -t rmmhunt . && docker run -p 127.0.0.1:8080:8080 -v rmmhunt:/var/lib/rmmhunt rmmhunt
FROM debian:12-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc make pkg-config libc6-dev libmicrohttpd-dev \
    libjansson-dev libpq-dev libyaml-dev zlib1g-dev libzstd-dev libsodium-dev libgnutls28-dev \
    libcurl4-openssl-dev
COPY . /src
RUN make -C /src -j"$(nproc)"

FROM debian:12-slim
RUN apt-get update && apt-get install -y --no-install-recommends libmicrohttpd12 libjansson4 libpq5 libyaml-0-2 zlib1g \
    libzstd1 libsodium23 libgnutls30 libcurl4 ca-certificates postgresql-15 && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/build/rmmhunt /usr/local/bin/rmmhunt
RUN install -d -o postgres -g postgres /var/lib/rmmhunt
USER postgres
ENV RMMHUNT_DATA=/var/lib/rmmhunt
VOLUME /var/lib/rmmhunt
EXPOSE 8080
# The container's port is published by whoever runs it, behind a proxy that speaks TLS and checks who calls.
CMD ["rmmhunt", "serve", "--listen", "0.0.0.0:8080", "--behind-proxy"]
