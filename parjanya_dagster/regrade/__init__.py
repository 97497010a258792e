"""Regrades: images are decided again under another policy, from recorded evidence."""
