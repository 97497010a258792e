"""Releases: immutable, content-addressed lists of a tenant's images, written in open formats.

`create` freezes a list, `writing` writes it, `verification` reads it back. See docs/releases.md.
"""
