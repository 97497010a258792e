# The model server: vLLM with the model in it, so that one digest names both. It asks nobody.
# Build from the folder of the model (weights, tokenizer, processor), which is all that is copied:
#   docker build -f deploy/images/model.Dockerfile -t REGISTRY/parjanya-model:0.1.0 /models/qwen2.5-vl-7b
ARG VLLM=vllm/vllm-openai:v0.33.0
FROM ${VLLM}
LABEL org.opencontainers.image.title="parjanya-model"
RUN groupadd --gid 10001 parjanya \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp parjanya
COPY --chown=parjanya:parjanya . /models/vlm/
ENV HOME=/tmp \
    HF_HUB_OFFLINE=1 \
    VLLM_NO_USAGE_STATS=1
USER 10001:10001
HEALTHCHECK --interval=1m --timeout=25s --start-period=15m --retries=10 \
    CMD ["python3", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health', timeout=20)"]
# Who starts it says the rest: --served-model-name, --port and the flags that change answers.
ENTRYPOINT ["vllm"]
CMD ["serve", "/models/vlm"]
