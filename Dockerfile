# tank-mailer as an image: docker build -t tank-mailer .
# How to run it: docs/install.md. It needs no capability and no writable place but its volume.
# Stop it with `docker stop -t 60`: a drain takes up to TANK_DRAIN_TIMEOUT_S (45 s), and Docker kills after ten.

FROM python:3.13-slim AS build

# For strip, below: the libraries' compiled parts come with what only a debugger reads.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends binutils && rm -rf /var/lib/apt/lists/*
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
RUN python -m venv --without-pip /opt/tank-mailer
# By itself, so that a change of ours builds on the layer of the libraries; the extras postgresql and signatures too.
COPY config/requirements.txt config/container/slim.sh ./
RUN pip --python /opt/tank-mailer/bin/python install --no-compile --require-hashes --only-binary :all: \
        -r requirements.txt \
    && sh slim.sh /opt/tank-mailer
COPY config/build-requirements.txt ./
RUN python -m venv /opt/tools && /opt/tools/bin/pip install --require-hashes --only-binary :all: -r build-requirements.txt
COPY pyproject.toml README.md ./
COPY tank_mailer tank_mailer
COPY config/container/warm.py ./
RUN /opt/tools/bin/pip wheel --no-build-isolation --no-deps --wheel-dir /wheels . \
    && pip --python /opt/tank-mailer/bin/python install --no-deps /wheels/*.whl \
    && pip --python /opt/tank-mailer/bin/python check \
    && /opt/tank-mailer/bin/python -P warm.py

FROM python:3.13-slim

# docker build --build-arg VERSION="$(git describe --tags --always)" --build-arg REVISION="$(git rev-parse HEAD)"
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="tank-mailer" \
      org.opencontainers.image.description="Takes e-mail jobs from SQS and gets each one out through Amazon SES" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.licenses="Proprietary"

# A fixed uid: what a bind-mounted state directory has to belong to.
RUN groupadd --gid 10001 tank-mailer \
    && useradd --no-log-init --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/tank-mailer \
        --shell /usr/sbin/nologin tank-mailer \
    && install --directory --owner 10001 --group 10001 --mode 0700 /var/lib/tank-mailer
COPY --from=build /opt/tank-mailer /opt/tank-mailer

# The ledger, TANK_DATABASE_URL, is tank-mailer.db in STATE_DIRECTORY unless it is set.
ENV PATH=/opt/tank-mailer/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    STATE_DIRECTORY=/var/lib/tank-mailer
WORKDIR /var/lib/tank-mailer
VOLUME /var/lib/tank-mailer
# In numbers: so that Kubernetes, too, sees that it is not root.
USER 10001:10001
STOPSIGNAL SIGTERM
# The daemon touches the file every ten seconds while it lives (docs/health.md). No Python: its start would cost more than
# all else that an idle daemon does. A start may migrate a large store first. A pipe takes a shell:
# hadolint ignore=DL3025
HEALTHCHECK --interval=30s --timeout=5s --start-period=15m --retries=3 \
    CMD find "$STATE_DIRECTORY/heartbeat" -mmin -1 | grep -q .
ENTRYPOINT ["tank-mailer"]
CMD ["run"]
