"""The work of each stage on one image: validate, infer, curate."""
