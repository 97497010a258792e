"""The engine of the gpu lane: what every part is told of it, and how its server is started.

Knows nothing of CDK.
"""

from __future__ import annotations

from site_file import Served, Site

from gpu_ops.endpoint.served import statement
from parjanya_dagster.model_server.flags import hash_of, serving, with_ours

NAMESPACE = "parjanya.internal"  # names of services, inside the network
SERVER, PORT = "model", 8000
DRAIN = 90
"""Seconds in which a server that is asked to end answers what it was asked before."""


def settings(site: Site) -> dict[str, str]:
    """What the parts that run Dagster's code are told."""
    served = site.gpu.served
    if served is None:
        return {
            "PARJANYA_ENGINES__ENRICHER": "transformers",
            "PARJANYA_VLM__MODEL": site.gpu.model,
        }
    return {
        "PARJANYA_ENGINES__ENRICHER": "openai",
        "PARJANYA_ENDPOINT__URL": f"http://{SERVER}.{NAMESPACE}:{PORT}/v1",
        "PARJANYA_VLM__MODEL": served.name,
        "PARJANYA_VLM__REVISION": site.release.digests["model"],
        # Runs hold no GPU then, and score while they wait for answers.
        "PARJANYA_LANES__GPU__GPUS": "0",
        "PARJANYA_LANES__GPU__CPU": "4",
        "PARJANYA_LANES__GPU__MEMORY_MIB": "8192",
    }


def server(site: Site, served: Served) -> list[str]:
    """Arguments of `vllm`. The model's second name states what is served: the digest of the image,
    which holds server, libraries and weights, and the flags (`gpu_ops.endpoint.served`).
    """
    flags = with_ours(served.flags)
    states = statement(served.name, site.release.digests["model"], hash_of(flags))
    names = [served.name, states]
    return serving(site.gpu.model, names, host="0.0.0.0", port=PORT, drain=DRAIN, flags=flags)
