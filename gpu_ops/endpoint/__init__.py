"""A vision-language model behind an OpenAI-compatible endpoint, such as vLLM or SGLang.

A warm pool of servers answers many runs at once, so no run loads a model. Prompts, the reading of
answers and the evidence are those of `gpu_ops.vlm`. Only the transport is here.
"""
