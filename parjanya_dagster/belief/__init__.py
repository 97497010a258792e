"""Belief: what is thought to be running. It may lag or be wrong, so it may be deleted.

Belief that cannot be read is an incident. It never counts as "nothing runs".
"""
