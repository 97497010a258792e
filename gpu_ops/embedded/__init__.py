"""Engines that need no model hub and no accelerator. Their weights are inside packages."""
