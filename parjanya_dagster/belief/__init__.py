"""Belief: what is thought to be running. It may lag and may be wrong, so it may be deleted.

Belief that cannot be read is an incident, never "zero".
"""
