"""Vision-language models: the questions, how answers are read, and an engine that runs a model.

`prompts`, `description`, `categories` and `evidence` are pure: no torch, no network. Every engine
that asks a vision-language model, in this process or over a network, shares them.
"""
