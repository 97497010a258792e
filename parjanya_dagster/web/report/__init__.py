"""The report: one self-contained page that says what became of every image."""
