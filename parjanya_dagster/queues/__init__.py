"""Queues: messages and the assignments in them, as every queue carries them. No server is named."""
