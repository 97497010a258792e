"""Ingest: what landed in a bucket becomes rows in Truth."""
