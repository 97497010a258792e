"""People's decisions: one or many at once, the queue of what waits for them, files of decisions."""
