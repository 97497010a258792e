"""Embedding models that an operator brings: in this process, or behind a server.

A model of images alone (DINOv2) or of images and words in one space (CLIP, SigLIP, Qwen3-VL
Embedding). What a model is asked about an image is part of what it is; how words are put to it is
not, since no vector that is kept depends on that.
"""
