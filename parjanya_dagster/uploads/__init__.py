"""Uploads from outside: promised, presigned, and followed until they arrive or expire."""
