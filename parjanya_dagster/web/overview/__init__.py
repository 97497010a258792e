"""The operator's page: the four layers with their numbers, on one screen, on loopback."""
