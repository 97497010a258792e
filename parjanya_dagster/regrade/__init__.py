"""Regrades: history decided again under another policy, from recorded evidence."""
