# syntax=docker/dockerfile:1
# The control plane and the cpu lane: web UI, daemon, code location, uploads, exporter, decoding.
# Build from the root of the repository:
#   docker build -f deploy/images/cpu.Dockerfile --build-arg VERSION=0.1.0 -t parjanya-cpu:0.1.0 .
# For a build that can be repeated, give PYTHON with its digest: python:3.11-slim-bookworm@sha256:…
ARG PYTHON=python:3.11-slim-bookworm

FROM ${PYTHON} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:${PATH}
COPY pyproject.toml constraints.txt ./
COPY deploy/images/requirements.py deploy/images/requirements.py
RUN python deploy/images/requirements.py cpu > requirements.txt \
    && pip install -c constraints.txt -r requirements.txt
COPY README.md ./
COPY parjanya_dagster parjanya_dagster
COPY gpu_ops gpu_ops
RUN pip install --no-deps .

FROM ${PYTHON} AS image
ARG VERSION
LABEL org.opencontainers.image.title="parjanya-cpu" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"
# What it is, it says itself: who deploys it cannot say otherwise by mistake.
RUN test -n "${VERSION}" \
    && groupadd --gid 10001 parjanya \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /opt/parjanya parjanya \
    && install -d -o parjanya -g parjanya /opt/parjanya /opt/parjanya/dagster
COPY --from=build /opt/venv /opt/venv
# Certificates of RDS and Aurora: no public authority signs them (parjanya_dagster/truth/sql/iam.py).
ADD --chmod=444 https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem /opt/parjanya/rds.pem
# On ECS these are the instance; on Kubernetes the chart lays its own over them.
COPY --chown=parjanya:parjanya deploy/ecs/instance/ /opt/parjanya/dagster/
ENV PATH=/opt/venv/bin:${PATH} \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PARJANYA_HOME=/opt/parjanya \
    PARJANYA_IDENTITY__IMAGE=parjanya-cpu:${VERSION} \
    DAGSTER_HOME=/opt/parjanya/dagster \
    DAGSTER_EVENT_BATCH_SIZE=100
WORKDIR /opt/parjanya
USER 10001:10001

# Builds only where everything that this side needs is inside.
FROM image AS checked
COPY constraints.txt deploy/images/build_check.py deploy/images/requirements.py /check/
COPY pyproject.toml /check/
RUN python /check/build_check.py cpu && touch /tmp/checked

FROM image
# The copy makes the check a condition of the image.
COPY --from=checked /tmp/checked /opt/parjanya/.checked
HEALTHCHECK --interval=30s --timeout=25s --start-period=3m --retries=4 \
    CMD ["parjanya", "doctor", "--quick"]
CMD ["dagster", "api", "grpc", "-m", "parjanya_dagster.definitions", "-h", "0.0.0.0", "-p", "4000", \
     "--location-name", "parjanya"]
