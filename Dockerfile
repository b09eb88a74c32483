# MrData's images: `irods`, the server with the rulebase, and `client`, the landing host's programs. docs/how-to/run-in-containers.md.
ARG DEBIAN=debian:12.12-slim@sha256:d5d3f9c23164ea16f31852f95bd5959aad1c5e854332fe00f7b3a20fcc9f635c

# --- what both are made of: a wheel of this project, and the packages that it needs -----------------------------------
FROM ${DEBIAN} AS build
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 python3-pip python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY policy policy
COPY microservices microservices
COPY rulebase rulebase
COPY landing landing
COPY products products
COPY embedded embedded
COPY forms forms
COPY mrdata mrdata
COPY irods_config irods_config
COPY docker/requirements.txt docker/requirements-build.txt docker/
# Of Debian's Python, so that the server's rule engine can use the same wheels. Nothing is taken whose hash is not known here.
RUN python3 -m venv /tools \
    && /tools/bin/pip install --no-cache-dir --require-hashes --no-deps --requirement docker/requirements-build.txt \
    && /tools/bin/pip download --no-cache-dir --require-hashes --no-deps --only-binary :all: --dest /wheels --requirement docker/requirements.txt \
    && /tools/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels .

# --- the server -------------------------------------------------------------------------------------------------------
FROM ${DEBIAN} AS irods
ARG IRODS=5.0.2-0~bookworm
ARG IRODS_PYTHON=5.0.1-0+5.0.2~bookworm
ARG IRODS_ICOMMANDS=5.0.2-0~bookworm
# Fingerprint of the key that signs iRODS's packages: docker/pin.sh.
ARG IRODS_KEY
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
# The account first, so that its numbers are the same in every image and on every volume.
RUN groupadd --gid 10001 irods \
    && useradd --uid 10001 --gid irods --home-dir /var/lib/irods --no-create-home --shell /bin/bash --comment 'iRODS Administrator' irods
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl gnupg openssh-client openssl postgresql-client python3 python3-pip python3-venv tini \
    && curl --fail --silent --show-error --location --output /tmp/irods.asc https://packages.irods.org/irods-signing-key.asc \
    && test "${IRODS_KEY:?docker/pin.sh tells the fingerprint}" = "$(gpg --show-keys --with-colons /tmp/irods.asc | awk -F: '$1 == "fpr" {print $10}' | head -1)" \
    && test 1 = "$(gpg --show-keys --with-colons /tmp/irods.asc | grep -c ^pub:)" \
    && gpg --dearmor --output /usr/share/keyrings/irods.gpg /tmp/irods.asc \
    && rm /tmp/irods.asc \
    && echo 'deb [arch=amd64 signed-by=/usr/share/keyrings/irods.gpg] https://packages.irods.org/apt/ bookworm main' \
        > /etc/apt/sources.list.d/irods.list \
    && apt-get update \
    && apt-get install -y --no-install-recommends \
        "irods-server=${IRODS}" "irods-runtime=${IRODS}" "irods-database-plugin-postgres=${IRODS}" \
        "irods-icommands=${IRODS_ICOMMANDS}" "irods-rule-engine-plugin-python=${IRODS_PYTHON}" \
    && apt-get purge -y curl gnupg \
    && apt-get autoremove -y \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /wheels /opt/mrdata-wheels
RUN python3 -m venv /opt/mrdata-venv \
    && /opt/mrdata-venv/bin/pip install --no-cache-dir --no-index --find-links /opt/mrdata-wheels mrdata \
    && install -d -o irods -g irods -m 755 /opt/mrdata /run/irods /srv/mrdata /srv/mrdata/landing \
    && install -d -o irods -g irods -m 750 /srv/mrdata/vault \
    && install -d -o irods -g irods -m 700 /etc/irods/mrdata-accounts /var/lib/irods/mrdata /var/lib/irods/.ssh \
    && chown -R irods:irods /etc/irods /var/lib/irods
COPY docker/irods /opt/mrdata-docker
USER 10001:10001
WORKDIR /var/lib/irods
EXPOSE 1247
VOLUME ["/etc/irods", "/srv/mrdata/vault", "/srv/mrdata/landing", "/var/lib/irods/mrdata", "/var/lib/irods/.ssh"]
# The first start sets up a catalog.
HEALTHCHECK --interval=15s --timeout=10s --start-period=180s --retries=4 \
    CMD ["/opt/mrdata-venv/bin/python", "/opt/mrdata-docker/heartbeat.py", "/run/irods/ready"]
ENTRYPOINT ["/usr/bin/tini", "--", "/bin/bash", "/opt/mrdata-docker/entrypoint.sh"]

# --- the scanner, the web pages, the worker of products, and those of automated-ingest ----------------------------------
FROM ${DEBIAN} AS client
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates python3 python3-venv tini \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 irods \
    && useradd --uid 10001 --gid irods --create-home --home-dir /home/mrdata --shell /usr/sbin/nologin mrdata \
    && install -d -o mrdata -g irods -m 755 /srv/mrdata /srv/mrdata/landing \
    && install -d -o mrdata -g irods -m 700 /run/mrdata-accounts
# The wheels are not left in the image.
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    python3 -m venv /opt/mrdata-venv \
    && /opt/mrdata-venv/bin/pip install --no-cache-dir --no-index --find-links /wheels 'mrdata[automated-ingest,products,web]'
COPY docker/client /opt/mrdata-docker
ENV PATH=/opt/mrdata-venv/bin:$PATH PYTHONUNBUFFERED=1 HOME=/home/mrdata
USER 10001:10001
WORKDIR /home/mrdata
ENTRYPOINT ["/usr/bin/tini", "--", "/bin/sh", "/opt/mrdata-docker/entrypoint.sh"]
CMD ["mrdata", "scan"]
