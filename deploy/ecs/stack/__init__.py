"""The stack of one site, a module per concern."""
