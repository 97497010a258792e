"""Uploads by strangers: promised, presigned, and followed until they are images or never came."""
