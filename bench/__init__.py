"""Measurements: programs that time the real thing, and the aims they are compared with."""
