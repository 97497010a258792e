"""Finds images of a tenant that look like one of them, like a picture, or like what words say."""

from parjanya_dagster.similar.search import Alike, Answer, Similar

__all__ = ["Alike", "Answer", "Similar"]
