"""Pages for people: the four layers at a glance, uploads from a browser, the report of a home."""
