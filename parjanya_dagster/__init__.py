"""Parjanya: image curation on Dagster."""

__version__ = "0.1.0"
