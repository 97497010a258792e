# syntax=docker/dockerfile:1
# The gpu lane: what cpu.Dockerfile has, and torch with the models. No CUDA base image: torch's wheels
# bring the CUDA libraries, and the container runtime of the node brings the driver.
# Build from the root of the repository:
#   docker build -f deploy/images/gpu.Dockerfile --build-arg VERSION=0.1.0 -t parjanya-gpu:0.1.0 .
# With the model inside (a folder that holds weights, tokenizer, processor and their code):
#   … --build-context model=/models/qwen3-vl-8b --build-arg MODEL_STAGE=baked
# Without it the folder is mounted at /models/vlm, and `parjanya preflight` checks it there.
ARG PYTHON=python:3.11-slim-bookworm
ARG MODEL_STAGE=mounted

FROM ${PYTHON} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:${PATH}
COPY pyproject.toml constraints.txt ./
COPY deploy/images/requirements.py deploy/images/requirements.py
# torch first and by its pin; OpenCV's headless build last, since it needs no display libraries.
RUN pip install "$(grep '^torch==' constraints.txt)"
RUN python deploy/images/requirements.py gpu > requirements.txt \
    && pip install -c constraints.txt -r requirements.txt \
    && pip install -c constraints.txt --force-reinstall --no-deps opencv-python-headless
COPY README.md ./
COPY parjanya_dagster parjanya_dagster
COPY gpu_ops gpu_ops
RUN pip install --no-deps .

FROM ${PYTHON} AS image
ARG VERSION
LABEL org.opencontainers.image.title="parjanya-gpu" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"
# What it is, it says itself: who deploys it cannot say otherwise by mistake.
RUN test -n "${VERSION}" \
    && groupadd --gid 10001 parjanya \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /opt/parjanya parjanya \
    && install -d -o parjanya -g parjanya /opt/parjanya /opt/parjanya/dagster /models
COPY --from=build /opt/venv /opt/venv
# Certificates of RDS and Aurora: no public authority signs them (parjanya_dagster/truth/sql/iam.py).
ADD --chmod=444 https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem /opt/parjanya/rds.pem
COPY --chown=parjanya:parjanya deploy/ecs/instance/ /opt/parjanya/dagster/
ENV PATH=/opt/venv/bin:${PATH} \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PARJANYA_HOME=/opt/parjanya \
    PARJANYA_IDENTITY__IMAGE=parjanya-gpu:${VERSION} \
    DAGSTER_HOME=/opt/parjanya/dagster \
    DAGSTER_EVENT_BATCH_SIZE=100 \
    HF_HUB_OFFLINE=1 \
    TRANSFORMERS_OFFLINE=1 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
WORKDIR /opt/parjanya
USER 10001:10001

# Named by --build-context model=FOLDER; an empty stage where none is named.
FROM scratch AS model

FROM image AS baked
COPY --from=model --chown=parjanya:parjanya / /models/vlm/

FROM image AS mounted

# Builds only where everything that this side needs is inside.
FROM ${MODEL_STAGE} AS checked
ARG MODEL_STAGE
COPY constraints.txt deploy/images/build_check.py deploy/images/requirements.py /check/
COPY pyproject.toml /check/
RUN if [ "${MODEL_STAGE}" = baked ]; then set -- --model /models/vlm; fi \
    && python /check/build_check.py gpu "$@" && touch /tmp/checked

FROM ${MODEL_STAGE}
COPY --from=checked /tmp/checked /opt/parjanya/.checked
# Files and the GPU alone. One image through the model is the preflight of each run: here it would load
# a second model beside the one at work.
HEALTHCHECK --interval=5m --timeout=2m --start-period=10m --retries=2 \
    CMD ["parjanya", "preflight", "--quick"]
CMD ["dagster", "api", "grpc", "-m", "parjanya_dagster.definitions", "-h", "0.0.0.0", "-p", "4000", \
     "--location-name", "parjanya"]
