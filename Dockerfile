# syntax=docker/dockerfile:1
# One image for every service of compose.yaml and deploy/kubernetes: docs/deployment.md says how to build and run it.
# Pin the digest of the base image before you use it in production (PYTHON_IMAGE=python:3.12-slim@sha256:…).
ARG PYTHON_IMAGE=python:3.12-slim

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build

# Exact versions, each with its hash. They change seldom, so this layer is kept between builds.
COPY deploy/requirements.lock ./
RUN python -m venv /opt/zoho-pipeline \
 && /opt/zoho-pipeline/bin/pip install --no-deps --require-hashes -r requirements.lock

# The wheel is built by the setuptools of the lock of the checkout, also by its hash, in an environment of its own.
COPY requirements.lock ./build.lock
RUN awk '/^[a-zA-Z]/ {keep = /^setuptools==/} keep' build.lock > setuptools.lock \
 && python -m venv /build/venv \
 && /build/venv/bin/pip install --no-deps --require-hashes -r setuptools.lock
COPY pyproject.toml setup.py README.md LICENSE ./
COPY docs/metrics.md docs/metrics.md
COPY dbt_like_sql dbt_like_sql
COPY zoho_pipeline zoho_pipeline
RUN /build/venv/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /build/dist . \
 && /opt/zoho-pipeline/bin/pip install --no-deps --no-index /build/dist/*.whl

FROM ${PYTHON_IMAGE}
# HOME and what the services store: mount a volume there. Everything else may be read-only.
RUN groupadd --gid 10001 zoho \
 && useradd --uid 10001 --gid 10001 --home-dir /var/lib/zoho-pipeline --no-create-home --shell /usr/sbin/nologin zoho \
 && install -d -o 10001 -g 10001 -m 0700 /var/lib/zoho-pipeline /var/lib/zoho-pipeline/dagster
COPY --from=build /opt/zoho-pipeline /opt/zoho-pipeline
COPY deploy/dagster.yaml deploy/workspace.yaml /etc/zoho-pipeline/
ENV PATH=/opt/zoho-pipeline/bin:$PATH \
    HOME=/var/lib/zoho-pipeline \
    ZOHO_PIPELINE_HOME=/var/lib/zoho-pipeline/data \
    DAGSTER_HOME=/var/lib/zoho-pipeline/dagster \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /var/lib/zoho-pipeline
USER 10001:10001
VOLUME ["/var/lib/zoho-pipeline"]
EXPOSE 8480
STOPSIGNAL SIGTERM
# Of the command below. The other services have a check of their own. http.client uses no proxy of the environment.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8480, timeout=5); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
CMD ["zoho-pipeline", "serve", "--host", "0.0.0.0", "--port", "8480", "--no-worker"]
