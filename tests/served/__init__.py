"""The engine `openai` against a real vLLM: `make vllm-check`."""
