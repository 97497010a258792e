"""What vLLM and SGLang refuse in a chat completion, each rule with its source.

Paths are of vllm-project/vllm (commit 002032ee) and sgl-project/sglang (commit 004c82e0). Both
ignore a field that they do not know: vLLM's models allow extra fields and log them, SGLang's drop
them. A setting that is ignored is a fault of the client, so here it is refused.

Only the two protocol.py files were read for this, vLLM's in part. Rules marked "unread" are as
their documentation and use have it, and wait to be compared with the file named.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

Server = Literal["vllm", "sglang"]
MAX_LOGPROBS = 20  # vLLM's --max-logprobs as it comes: unread, vllm/config/model.py

# ChatCompletionRequest in vllm/entrypoints/openai/chat_completion/protocol.py and in
# python/sglang/srt/entrypoints/openai/protocol.py: what both of them know, and what one does.
COMMON = frozenset(
    [
        "messages",
        "model",
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "top_logprobs",
        "max_tokens",
        "max_completion_tokens",
        "n",
        "presence_penalty",
        "response_format",
        "seed",
        "stop",
        "stream",
        "stream_options",
        "temperature",
        "top_p",
        "tools",
        "tool_choice",
        "reasoning_effort",
        "user",
        "top_k",
        "min_p",
        "repetition_penalty",
        "stop_token_ids",
        "ignore_eos",
        "min_tokens",
        "skip_special_tokens",
        "continue_final_message",
        "chat_template_kwargs",
        "priority",
    ]
)
KNOWN: Mapping[Server, frozenset[str]] = {
    "vllm": COMMON
    | {"structured_outputs", "logprob_token_ids", "mm_processor_kwargs", "prompt_logprobs"},
    "sglang": COMMON | {"regex", "ebnf", "rid", "separate_reasoning"},
}


def refusal(server: Server, model: str, payload: Mapping[str, Any]) -> tuple[int, str] | None:
    """The status and the words with which the server refuses a payload. None: it takes it."""
    unknown = sorted(payload.keys() - KNOWN[server])
    if unknown:
        return 400, f"ignored, so a fault: {', '.join(unknown)}"
    # unread, vllm/entrypoints/openai/models/serving.py: a name that is not served is not found.
    # SGLang takes any name (unread); a client that sends a wrong one is wrong nevertheless.
    if payload.get("model") != model:
        return 404, f"The model `{payload.get('model')}` does not exist."
    top = payload.get("top_logprobs") or 0
    # check_logprobs in vLLM's protocol.py. SGLang would ignore the number.
    if top and not payload.get("logprobs"):
        return 400, "when using `top_logprobs`, `logprobs` must be set to true."
    if server == "vllm" and top > MAX_LOGPROBS:  # unread, vllm/sampling_params.py
        return 400, f"Requested sample logprobs of {top}, greater than max allowed: {MAX_LOGPROBS}"
    # validate_response_format in vLLM's protocol.py
    form = payload.get("response_format")
    if form and form["type"] == "json_schema" and not form.get("json_schema", {}).get("schema"):
        return 400, "When type is 'json_schema', the 'json_schema' field must be provided."
    wrong = _out_of_range(payload)
    return (400, wrong) if wrong else None


def _out_of_range(payload: Mapping[str, Any]) -> str:
    """Unread: SamplingParams._verify_args in vllm/sampling_params.py; SamplingParams.verify in
    python/sglang/srt/sampling/sampling_params.py has the same bounds where both have one."""
    given = payload.get
    ranges = {
        "temperature": given("temperature", 0) >= 0,
        "top_p": 0 < given("top_p", 1) <= 1,
        "top_k": given("top_k", -1) == -1 or given("top_k", 1) >= 1,
        "min_p": 0 <= given("min_p", 0) <= 1,
        "repetition_penalty": 0 < given("repetition_penalty", 1) <= 2,
        "presence_penalty": -2 <= given("presence_penalty", 0) <= 2,
        "frequency_penalty": -2 <= given("frequency_penalty", 0) <= 2,
        "max_tokens": given("max_tokens", 1) >= 1,
    }
    wrong = [name for name, good in ranges.items() if not good]
    return f"out of range: {', '.join(wrong)}" if wrong else ""
