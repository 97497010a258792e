"""Engines that need no model hub and no accelerator: their weights lie inside packages."""
