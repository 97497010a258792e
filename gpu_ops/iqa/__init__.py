"""Learned image-quality metrics, from a folder of weights that was filled and hashed beforehand.

Nothing here reaches for a network: a weight that is missing or altered is an error.
"""
