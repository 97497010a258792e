"""Intent: durable declarations that work should happen, planned from a snapshot."""
